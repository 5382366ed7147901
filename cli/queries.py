"""imnm-fhir queries: what the site is asked, what it answers, and what is remembered."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.options import (
    PATH,
    example,
    log_option,
    neutral_option,
    study_option,
    voice_options,
    waivers_option,
)
from imnm_fhir.cli.output import Voice

STATEMENT = "I have read the queries and answers of this delivery and endorse it for the study."


@click.group(name="queries", epilog=example("imnm-fhir queries status --cohort build/madrid"))
def command() -> None:
    """Ask the site, take its answers, remember them.

    The log of a cohort stands beside its folder (COHORT.queries) and identifies patients: it stays
    at the site. Each line is bound to the one before by its hash; that shows tampering, not identity.
    """


cohort_option = click.option("--cohort", required=True, type=PATH, help="The cohort's folder.")


@command.command(
    name="list",
    short_help="Write the list of queries without a report.",
    epilog=example("imnm-fhir queries list --cohort build/madrid --out build/list"),
)
@cohort_option
@click.option("--out", required=True, type=PATH, help="Folder for queries.xlsx and queries.csv.")
@study_option
@waivers_option
@click.option("--language", help="Language of the list. [default: the site's own]")
@neutral_option
@log_option
@voice_options
def list_(
    cohort: Path, out: Path, study: Path | None, waivers: Path | None, language: str | None, neutral: bool,
    log: Path | None, voice: Voice,
) -> None:  # fmt: skip
    """Validate the cohort and write the list of queries alone, without a report."""
    from imnm_fhir.flow import list_queries

    with voice.progress("validating"):
        lines = list_queries(
            cohort, out, study=study, waivers=waivers, language=language, neutral=neutral, log=log
        )
    for line in lines:
        click.echo(line)


@command.command(
    name="import",
    epilog=example(
        'imnm-fhir queries import queries.xlsx --cohort build/madrid --by "A. Ruiz" --role data-manager'
    ),
)
@click.argument("filled", type=PATH)
@cohort_option
@click.option("--by", help="Who answered, where the list does not say.")
@click.option(
    "--role", help="In which role: data-manager, investigator, consortium, or other words."
)
@log_option
@voice_options
def import_(
    filled: Path, cohort: Path, by: str | None, role: str | None, log: Path | None, voice: Voice
) -> None:
    """Take the answers of a FILLED list.

    Corrections are put on top of the site's files, never into them, and go through the same reading
    and all rules again. What role consortium enters is a proposal, which the site accepts or not.
    Exit code 1: some rows were not understood; they are named, and nothing else is lost.
    """
    from imnm_fhir.flow import take_answers

    answers = take_answers(cohort, filled, by=by, role=role, log=log)
    for line in answers.lines():
        click.echo(line)
    if answers.taken.problems:
        sys.exit(1)


@command.command(
    epilog=example("imnm-fhir queries status --cohort build/madrid --chart queries.svg")
)
@click.option(
    "--cohort",
    "cohorts",
    required=True,
    multiple=True,
    type=PATH,
    help="A cohort's folder, a folder of cohorts, or a file that --json wrote; may be given several times.",
)
@click.option("--chart", type=PATH, help="Also a chart over deliveries: .svg or .png.")
@click.option(
    "--json", "counts", type=PATH, help="Also the counts of one site as a file for the consortium."
)
@log_option
@voice_options
def status(
    cohorts: tuple[Path, ...],
    chart: Path | None,
    counts: Path | None,
    log: Path | None,
    voice: Voice,
) -> None:
    """Say how many queries are open, answered, closed, by rule and age; several sites side by side.

    A log identifies patients and stays at its site; the file of --json holds counts alone.
    """
    from imnm_fhir.flow import follow

    for line in follow(cohorts, log=log, chart=chart, counts=counts):
        click.echo(line)
    for path in (chart, counts):
        if path:
            voice.say(f"written: {path}")


@command.command(
    short_help="Write the log as a table: who said what, when.",
    epilog=example("imnm-fhir queries audit --cohort build/madrid --out audit.csv"),
)
@cohort_option
@click.option("--out", type=PATH, help="A .csv or .xlsx file; without it the table goes to stdout.")
@click.option("--to-fix", is_flag=True, help="Only what must still be corrected in the source.")
@click.option(
    "--repair", is_flag=True, help="Cut a damaged log before its first bad line; a copy is kept."
)
@log_option
@voice_options
def audit(
    cohort: Path, out: Path | None, to_fix: bool, repair: bool, log: Path | None, voice: Voice
) -> None:
    """Write the log as a table: who answered what, when, and to which wording."""
    from imnm_fhir.flow import audit_table, repair_log

    if repair:
        voice.say(repair_log(cohort, log))
    for line in audit_table(cohort, out, to_fix=to_fix, log=log):
        click.echo(line)


@command.command(
    short_help="Endorse the delivery as it was last validated.",
    epilog=example(
        'imnm-fhir queries sign --cohort build/madrid --by "Dr. B. Gil" --role investigator'
    ),
)
@cohort_option
@click.option("--by", required=True, help="The investigator's name.")
@click.option("--role", required=True, help="In which role.")
@click.option("--statement", default=STATEMENT, show_default=True, help="What is endorsed.")
@log_option
@voice_options
def sign(cohort: Path, by: str, role: str, statement: str, log: Path | None, voice: Voice) -> None:
    """Endorse the delivery as it was last validated, bound to the hash of its state."""
    from imnm_fhir.flow import sign_delivery

    for line in sign_delivery(cohort, by=by, role=role, statement=statement, log=log):
        click.echo(line)


@command.command(
    short_help="Write a packet of questions, or of answers back.",
    epilog=example("imnm-fhir queries packet build/pool --site madrid --out madrid.json"),
)
@click.argument("folder", type=PATH)
@click.option("--site", help="The site that a pool's packet is for.")
@click.option("--out", required=True, type=PATH, help="The packet, a .json file.")
@study_option
@log_option
@voice_options
def packet(
    folder: Path, site: str | None, out: Path, study: Path | None, log: Path | None, voice: Voice
) -> None:
    """Write a packet of questions from a pool to a site, or of a site's answers back.

    It holds keys, rules and words of people; no value, no count, no row of a file. FOLDER is the pool,
    or the site's cohort.
    """
    from imnm_fhir.flow import make_packet

    click.echo(make_packet(folder, out, site=site, study=study, log=log))


@command.command(
    short_help="Take a PACKET in.",
    name="open",
    epilog=example("imnm-fhir queries open madrid.json --cohort build/madrid"),
)
@click.argument("path", metavar="PACKET", type=PATH)
@cohort_option
@click.option("--language", help="Language of the questions. [default: the site's own]")
@log_option
@voice_options
def open_(path: Path, cohort: Path, language: str | None, log: Path | None, voice: Voice) -> None:
    """Take a PACKET in: at the site its questions, at the pool its answers."""
    from imnm_fhir.flow import open_packet

    for line in open_packet(path, cohort, language=language, log=log):
        click.echo(line)


@command.command(
    short_help="Type a question of the consortium.",
    epilog=example(
        'imnm-fhir queries ask build/pool --site madrid --element ck --text "Which lab?" --by Mora --role monitor'
    ),
)
@click.argument("pool", type=PATH)
@click.option("--site", required=True, help="The site that is asked.")
@click.option(
    "--patient", help="The patient's pseudonym; without it the question is about the column."
)
@click.option("--element", help="The element that is asked about.")
@click.option("--time-point", help="Its time point.")
@click.option("--text", required=True, help="The question.")
@click.option("--due", help="Day by which an answer is hoped for, such as 2026-03-31.")
@click.option("--query", help="Say TEXT of this query instead of asking a new one.")
@click.option("--by", required=True, help="Who asks.")
@click.option("--role", required=True, help="In which role.")
@log_option
@voice_options
def ask(
    pool: Path, site: str, patient: str | None, element: str | None, time_point: str | None,
    text: str, due: str | None, query: str | None, by: str, role: str, log: Path | None, voice: Voice,
) -> None:  # fmt: skip
    """Type a question of the consortium; it travels with the next packet and prints its id."""
    from imnm_fhir.flow import type_question

    click.echo(
        type_question(
            pool, site, text=text, by=by, role=role, patient=patient, element=element,
            time_point=time_point, due=due, query=query, log=log,
        )
    )  # fmt: skip
