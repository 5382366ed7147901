"""imnm-fhir new-site: a site mapping to fill in."""

import shlex
from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, out_option, voice_options
from imnm_fhir.cli.output import Voice


@click.command(
    name="new-site",
    epilog=example("imnm-fhir new-site patienten.csv ck.csv medikamente.csv --out site.toml"),
)
@click.argument("files", nargs=-1, required=True, type=PATH)
@out_option("The mapping to write.")
@click.option(
    "--header-row",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Row of the header, where titles stand above it.",
)
@voice_options
def command(files: tuple[Path, ...], out: Path, header_row: int, voice: Voice) -> None:
    """Write a mapping to fill in for the FILES of a new site.

    Every column is listed; exact synonyms of the dictionary are matched already.
    """
    from imnm_fhir.errors import ImnmFhirError
    from imnm_fhir.sites import new_site
    from imnm_fhir.written import replace_atomically

    if out.exists():
        raise ImnmFhirError(f"{out}: exists and may hold your work; choose another --out")
    text = new_site(list(files), header_row)
    with replace_atomically(out) as temporary:
        temporary.write_text(text, "utf-8")
    named = shlex.join(str(file) for file in files)
    voice.say(
        f"{out}: fill in what it asks for, then: "
        f"imnm-fhir harmonise {named} --site {shlex.quote(str(out))} --out build/site"
    )
