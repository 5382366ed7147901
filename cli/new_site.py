"""imnm-fhir new-site: a site mapping to fill in."""

from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="new-site")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The mapping to write.")
@voice_options
def command(files: tuple[Path, ...], out: Path, quiet: bool, verbose: bool) -> None:
    """Write a mapping to fill in: every column of FILES, exact synonyms already matched.

    Example: imnm-fhir new-site patients.csv ck.csv --out site.toml
    """
    from imnm_fhir.errors import ImnmFhirError
    from imnm_fhir.sites import new_site
    from imnm_fhir.written import replace_atomically

    if out.exists():
        raise ImnmFhirError(f"{out}: exists; it may hold your work, so choose another --out")
    text = new_site(list(files))
    with replace_atomically(out) as temporary:
        temporary.write_text(text, "utf-8")
    Voice(quiet, verbose).say(
        f"{out}: fill in what is marked, then: imnm-fhir harmonise {files[0]} --site {out} --out build/site"
    )
