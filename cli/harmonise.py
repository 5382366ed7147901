"""imnm-fhir harmonise: site files to a cohort."""

from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="harmonise")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--site", required=True, help="A built-in mapping's name, or a mapping file.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The cohort's folder.")
@voice_options
def command(files: tuple[Path, ...], site: str, out: Path, quiet: bool, verbose: bool) -> None:
    """Read site FILES (CSV, TSV, Excel) through a mapping into a cohort.

    What cannot be read becomes a null and an issue; a mapping that does not fit stops before
    anything is written.

    Example: imnm-fhir harmonise madrid16_es.csv --site madrid_es --out build/madrid
    """
    from imnm_fhir.flow import harmonise_files

    voice = Voice(quiet, verbose)
    with voice.progress("cells") as advance:
        cohort = harmonise_files(list(files), site, out, progress=advance)
    for line in source_lines(cohort.manifest):
        voice.say(line)
    for issue in cohort.issues:
        voice.detail(f"{issue.place()}: {issue.message}")
    voice.say(f"{out}: {cohort.tables['patients'].num_rows} patients, {len(cohort.issues)} issues")


def source_lines(manifest: dict) -> list[str]:  # type: ignore[type-arg]
    """One line per source file: rows in, clean, with an issue, refused; cells likewise."""
    lines = []
    for about in manifest["sites"].values():
        for source in about["sources"]:
            place = source["file"] + (f" [{source['sheet']}]" if source.get("sheet") else "")
            lines.append(
                f"{place}: {source['rows_in']} rows in = {source['rows_clean']} clean"
                f" + {source['rows_with_issue']} with an issue + {source['rows_refused']} refused;"
                f" {source['cells_in']} cells = {source['cells_values']} values"
                f" + {source['cells_missing']} missing + {source['cells_issues']} issues"
            )
            if source["columns_unread"]:
                lines.append(
                    f"{place}: {len(source['columns_unread'])} columns not read: "
                    + ", ".join(source["columns_unread"])
                )
    return lines
