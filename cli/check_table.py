"""imnm-fhir check-table: whether the numbers of a published or submitted table agree."""

import sys
from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, language_option, voice_options
from imnm_fhir.cli.output import Voice
from imnm_fhir.languages import translatable

SIGNS = {",": translatable("decimal sign: comma"), ".": translatable("decimal sign: point")}
LEFT = translatable(
    "Numbers that have nothing to be compared with (a mean, a count without N): {left} of {all}"
)
COUNTED = translatable("Rows checked: {rows}; contradictions: {count}; notes: {notes}")


@click.command(name="check-table", epilog=example("imnm-fhir check-table table2.csv"))
@click.argument("file", type=PATH)
@click.option("--out", type=PATH, help="CSV file for what was found.")
@click.option("--decimal", type=click.Choice([".", ","]), help="Decimal sign; else it is detected.")
@click.option("--sheet", "sheets", multiple=True, help="Sheet to read; else every visible one.")
@language_option
@voice_options
def command(
    file: Path, out: Path | None, decimal: str | None, sheets: tuple[str, ...], language: str,
    voice: Voice,
) -> None:  # fmt: skip
    """Find numbers of a published table that contradict each other.

    FILE is CSV or Excel: the table as a paper prints it, a column for each group with its `n = 13` and cells such as
    `11 (84.6)` or `71 (36-80)`; or one line per number with the columns label, group, n, N, percent, median, min, max
    or range, where `part of` and `parts` (exclusive, overlapping, both, subset) say what adds up.
    Needs no patient data and no mapping.
    Exit code 0: nothing contradicts itself; 1: something does.
    """
    from imnm_fhir.aggregates import check_rows, is_checked, read_rows, write_contradictions
    from imnm_fhir.languages import Translator, load_sentences, untranslated_lines

    load_sentences(language)
    say = Translator(language)
    rows, sign = read_rows(file, decimal, sheets or None)
    found = check_rows(rows)
    certain = [each for each in found if each.certain]
    for each in found:
        click.echo(each.line(say))
    if out:
        write_contradictions(found, out, say)
    voice.say(say(SIGNS[sign]))
    left = sum(not is_checked(row) for row in rows)
    if left:
        voice.say(say(LEFT, left=left, all=len(rows)))
    lines = len({(row.sheet, row.row) for row in rows})
    counts = {"rows": lines, "count": len(certain), "notes": len(found) - len(certain)}
    click.echo(say(COUNTED, **counts))
    for line in untranslated_lines(len(say.untranslated), language):
        voice.say(line)
    if certain:
        sys.exit(1)
