"""imnm-fhir elements: the dictionary, for reading."""

import click

from imnm_fhir.cli.options import example, language_option, voice_options
from imnm_fhir.cli.output import Voice


@click.command(name="elements", epilog=example("imnm-fhir elements --search ck"))
@click.argument("name", required=False)
@click.option(
    "--search",
    metavar="TEXT",
    help="Elements and values (drugs, brands) that have TEXT in their names.",
)
@click.option("--values", "every", is_flag=True, help="List every value of NAME, however many.")
@language_option
@voice_options
def command(name: str | None, search: str | None, language: str, every: bool, voice: Voice) -> None:
    """Show the common data elements, or one called NAME.

    Definition, unit, range, codes and values; NAME and --search exclude each other.
    """
    from imnm_fhir.elements import describe_element, list_elements

    if name and search:
        raise click.UsageError("give the NAME of one element or --search, not both")
    shown = describe_element(name, language, every) if name else list_elements(search, language)
    click.echo(shown)
