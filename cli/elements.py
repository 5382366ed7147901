"""imnm-fhir elements: the dictionary, for reading."""

import click


@click.command(name="elements")
@click.argument("name", required=False)
@click.option(
    "--search", metavar="TEXT", help="Only elements whose name, label or definition has TEXT."
)
@click.option("--language", default="en", show_default=True, help="Language of the labels.")
def command(name: str | None, search: str | None, language: str) -> None:
    """Show the common data elements: definition, unit, range, codes, shape.

    Example: imnm-fhir elements --search ck
    """
    from imnm_fhir.elements import describe_element, list_elements

    if name:
        click.echo(describe_element(name, language))
        return
    click.echo(list_elements(search, language))
