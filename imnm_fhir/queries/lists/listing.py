"""The list for the site: queries.xlsx with drop-downs, and the same rows as queries.csv."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.dictionary.labels import element_at_label
from imnm_fhir.languages import Translator, translate
from imnm_fhir.queries.lists.columns import (
    ASKED,
    HEADINGS,
    STATE_WORDS,
    WHOLE_COLUMN,
    answer_words,
    headings,
    role_words,
)
from imnm_fhir.queries.model import Query, Target
from imnm_fhir.written import Cell, excel_cell, save_workbook, write_csv

if TYPE_CHECKING:
    from openpyxl import Workbook

WIDTHS = {"question": 50, "evidence": 60, "said": 40, "cell": 36, "new": 20, "comment": 36, "answer": 30}  # fmt: skip
LINE = 15  # points of height
ANSWERED, LISTS = "Queries", "Lists"
Row = dict[str, Cell]


@dataclass(frozen=True)
class Listed:
    """A query as it stands in the list: its state, the thread so far, a proposal of the consortium."""

    query: Query
    state: str
    said: str | None = None
    proposed: bool = False


def list_rows(
    listed: Sequence[Listed], code: str, language: str, neutral: bool = False
) -> list[Row]:
    """The rows of the list by column; with `neutral` nothing says what speaks for a finding."""
    return [_row(each, code, language, neutral) for each in listed]


def _row(each: Listed, code: str, language: str, neutral: bool) -> Row:
    query, target = each.query, each.query.target
    row: Row = dict.fromkeys(HEADINGS)
    row |= {
        "query": query.id,
        "state": translate(STATE_WORDS[each.state], language),
        "patient": query.patient,
        "file": target.file,
        "sheet": target.sheet,
        "row": target.row if not query.rows else _rows(query, language),
        "column": target.column or _fact(target, language),
        "value": target.word,
        "question": query.question,
        "evidence": None if neutral else query.evidence,
        "said": each.said,
        "due": query.due,
        "list": code,
    }
    return row


def _fact(target: Target, language: str) -> str | None:
    """What the question is about where the site has no column of it."""
    if target.element is None:
        return None
    visit = f"@{target.time_point}" if target.time_point else ""
    return element_at_label(f"{target.element}{visit}", Translator(language))


def _rows(query: Query, language: str) -> str:
    shown = ", ".join(map(str, query.rows[:10])) + (", ..." if len(query.rows) > 10 else "")
    return translate("{count} rows: {shown}", language, count=len(query.rows), shown=shown)


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns that the list has: those that no row fills are left out, but for the answers."""
    kept = ("query", "patient", "list", *ASKED)
    return [name for name in HEADINGS if name in kept or any(row[name] for row in rows)]


def write_lists(
    folder: Path, listed: Sequence[Listed], code: str, language: str, neutral: bool = False
) -> tuple[Path, Path]:
    """Write queries.xlsx and queries.csv into `folder`; their paths.

    They identify patients, and are their owner's alone.
    """
    rows = list_rows(listed, code, language, neutral)
    names, titles = columns_of(rows), headings(language)
    paths = (folder / "queries.xlsx", folder / "queries.csv")
    save_workbook(
        paths[0], lambda: _workbook(paths[0], listed, rows, names, language), private=True
    )
    cells = [[row[name] for name in names] for row in rows]
    write_csv(paths[1], [titles[name] for name in names], cells, private=True)
    return paths


def _workbook(
    path: Path, listed: Sequence[Listed], rows: Sequence[Row], names: Sequence[str], language: str
) -> "Workbook":
    from openpyxl import Workbook

    book = Workbook()
    sheet: Any = book.active
    sheet.title = ANSWERED
    titles = headings(language)
    sheet.append([titles[name] for name in names])
    for row in rows:
        sheet.append([excel_cell(path, row[name]) for name in names])
    _style(sheet, names, len(rows))
    lists: Any = book.create_sheet(LISTS)
    lists.sheet_state = "hidden"
    _add_drop_downs(sheet, lists, listed, names, language)
    return book


def _style(sheet: Any, names: Sequence[str], count: int) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(names))}{count + 1}"
    to_fill = PatternFill("solid", fgColor="FFF7DC")
    for place, name in enumerate(names, 1):
        sheet.column_dimensions[get_column_letter(place)].width = WIDTHS.get(name, 16)
        sheet.cell(1, place).font = Font(bold=True)
        sheet.cell(1, place).alignment = Alignment(wrap_text=True, vertical="top")
        for row in range(2, count + 2):
            cell = sheet.cell(row, place)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if name in ASKED:
                cell.fill = to_fill
    for row in range(1, count + 2):  # not every program finds the height of wrapped text by itself
        sheet.row_dimensions[row].height = LINE * _lines(sheet, names, row)


def _lines(sheet: Any, names: Sequence[str], row: int) -> int:
    """How many lines the longest cell of a row takes in the width of its column."""
    texts = ((str(sheet.cell(row, place).value or ""), name) for place, name in enumerate(names, 1))
    return max(ceil(len(text) * 1.1 / WIDTHS.get(name, 16)) or 1 for text, name in texts)


def _add_drop_downs(
    sheet: Any, lists: Any, listed: Sequence[Listed], names: Sequence[str], language: str
) -> None:
    """A drop-down for each answer; its words stand on a hidden sheet, which holds any sign."""
    choices = {
        "answer": answer_words(language),
        "proposal": answer_words(language, proposed=True),
        "role": role_words(language),
    }
    ranges = {name: _column(lists, name, words) for name, words in choices.items()}
    for number, each in enumerate(listed, 2):
        answer = ranges["proposal" if each.proposed else "answer"]
        _drop_down(sheet, names, "answer", number, answer)
        _drop_down(sheet, names, "role", number, ranges["role"])
        cells = cell_words(each.query, language)
        if len(cells) > 1:
            _drop_down(sheet, names, "cell", number, _column(lists, each.query.id, cells))


def cell_words(query: Query, language: str) -> list[str]:
    """The cells that a new value may be for, that of the question first."""
    if query.rows:
        return [translate(WHOLE_COLUMN, language)]
    return list(dict.fromkeys(each.said(language) for each in query.targets if each.column))


def _column(lists: Any, title: str, words: Sequence[str]) -> str:
    """Write words below each other on the hidden sheet; the range that they stand in."""
    from openpyxl.utils import get_column_letter

    place = lists.max_column + (1 if lists.cell(1, 1).value else 0)
    for number, word in enumerate((title, *words), 1):
        lists.cell(number, place, excel_cell(Path(LISTS), word))
    letter = get_column_letter(place)
    return f"{LISTS}!${letter}$2:${letter}${len(words) + 1}"


def _drop_down(sheet: Any, names: Sequence[str], name: str, row: int, choices: str) -> None:
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    known = {each.formula1: each for each in sheet.data_validations.dataValidation}
    validation = known.get(f"={choices}")
    if validation is None:
        validation = DataValidation(type="list", formula1=f"={choices}", allow_blank=True)
        validation.showErrorMessage = name != "role"
        sheet.add_data_validation(validation)
    validation.add(f"{get_column_letter(names.index(name) + 1)}{row}")
