"""imnm-fhir elements: the dictionary, for reading."""

from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, language_option, voice_options
from imnm_fhir.cli.output import Voice


@click.command(name="elements", epilog=example("imnm-fhir elements --search ck"))
@click.argument("name", required=False)
@click.option(
    "--search",
    metavar="TEXT",
    help="Elements and values (drugs, brands) that have TEXT in their names.",
)
@click.option("--values", "every", is_flag=True, help="List every value of NAME, however many.")
@click.option(
    "--definitions",
    type=PATH,
    metavar="FOLDER",
    help="Write our CodeSystems, ValueSets and extensions as FHIR, for servers and validators.",
)
@language_option
@voice_options
def command(
    name: str | None, search: str | None, every: bool, definitions: Path | None, language: str,
    voice: Voice,
) -> None:  # fmt: skip
    """Show the common data elements, or one called NAME.

    Definition, unit, range, codes and values. Give one of NAME, --search and --definitions.
    """
    from imnm_fhir.elements import describe_element, list_elements

    if sum(map(bool, (name, search, definitions))) > 1:
        raise click.UsageError("give one of NAME, --search and --definitions")
    if definitions:
        from imnm_fhir.fhir.definitions import write_definitions

        voice.say(f"{definitions}: {len(write_definitions(definitions))} definitions written")
        return
    shown = describe_element(name, language, every) if name else list_elements(search, language)
    click.echo(shown)
