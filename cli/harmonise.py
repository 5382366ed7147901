"""imnm-fhir harmonise: site files to a cohort."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from imnm_fhir.cli.options import PATH, example, log_option, out_option, voice_options
from imnm_fhir.cli.output import Voice
from imnm_fhir.languages import counted


@click.command(
    name="harmonise",
    epilog=example("imnm-fhir harmonise madrid16_es.csv --site madrid_es --out build/madrid"),
)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--site", required=True, help="A built-in mapping's name, or a mapping file.")
@out_option("The cohort's folder.")
@log_option
@voice_options
def command(files: tuple[Path, ...], site: str, out: Path, log: Path | None, voice: Voice) -> None:
    """Read site FILES through a mapping into a cohort.

    CSV, TSV and Excel. What cannot be read becomes a null and an issue with its row and column. A
    mapping that does not fit stops before anything is written. Corrections that the site has answered
    (imnm-fhir queries) are put on top; the files stay as they are.
    """
    from imnm_fhir.flow import harmonise_files
    from imnm_fhir.harmonise.deliveries import change_lines

    with voice.progress("cells") as advance:
        cohort = harmonise_files(list(files), site, out, progress=advance, log=log)
    for line in source_lines(cohort.manifest):
        voice.say(line)
    for line in correction_lines(cohort.manifest):
        voice.say(line)
    voice.say_some([f"{issue.place()}: {issue.message}" for issue in cohort.issues])
    for line in change_lines(cohort.manifest):
        voice.say(line)
    for patient in cohort.manifest.get("changes", {}).get("withdrawn", ()):
        click.echo(f"withdrawn: {'/'.join([*cohort.sites, patient])}")
    voice.say(
        f"{out}: {counted(cohort.tables['patients'].num_rows, 'patient')}, {counted(len(cohort.issues), 'issue')}"
    )


SAID = {
    "applied": "put on top of the source",
    "at-source": "dropped, since the source says the same by now",
    "conflict": "not used, since the source says something else by now: the site is asked",
    "unreadable": "not used, since the corrected cell cannot be read: the site is asked again",
    "gone": "not used, since the row or column is not there any more",
}


def correction_lines(manifest: Mapping[str, Any]) -> list[str]:
    """How many corrections of the site were used, and why others were not."""
    counts = Counter(
        state
        for about in manifest["sites"].values()
        for state in about.get("corrections", {}).values()
    )
    return [f"corrections: {counts[state]} {SAID[state]}" for state in SAID if counts[state]]


def source_lines(manifest: Mapping[str, Any]) -> list[str]:
    """For each source file: how it was read, its rows and cells accounted for, columns left out."""
    lines = []
    for source in (each for about in manifest["sites"].values() for each in about["sources"]):
        place = source["file"] + (f" [{source['sheet']}]" if source.get("sheet") else "")
        lines += [f"{place}: {', '.join(source['said'])}"] if source.get("said") else []
        lines.append(
            f"{place}: {source['rows_in']} rows in = {source['rows_clean']} clean"
            f" + {source['rows_with_issue']} with an issue + {source['rows_refused']} refused;"
            f" {source['cells_in']} cells = {source['cells_values']} values"
            f" + {source['cells_missing']} missing + {source['cells_issues']} issues"
        )
        unread = source["columns_unread"]
        if unread:
            columns = "column" if len(unread) == 1 else "columns"
            lines.append(f"{place}: {len(unread)} {columns} not read: {', '.join(unread)}")
    return lines
