"""A mapping to fill in: every column of a site's files, exact synonyms already matched.

What is left open says FILL IN. Words are listed only for coded columns with few of them, so that the
mapping holds no patient's value.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.dictionary.drugs import drug_words
from imnm_fhir.sites.fields import kind_of
from imnm_fhir.sites.headers import Match, match_header
from imnm_fhir.sites.mapping import FILL_IN
from imnm_fhir.sites.styles import DATE_KEYS
from imnm_fhir.sites.unit_of import wants_unit
from imnm_fhir.sites.words import value_set_words
from imnm_fhir.values import Unreadable, fold, load_words, read_date, word_sets
from imnm_fhir.values.words import names_totals

if TYPE_CHECKING:
    from imnm_fhir.readers import TextTable

FEW = 12
HEAD = f"""\
# A mapping to fill in: replace every "{FILL_IN}" and take the # from the columns that you want read.

[site]
id = "{FILL_IN}" # a-z, 0-9, _ and -
name = "{FILL_IN}"
country = "{FILL_IN}" # two letters of ISO 3166, such as ES
language = "{FILL_IN}" # two letters, such as es
# legal_basis = "..." # where the data are shared without consent; else map the column of the consent

[patients]
identifier = "{FILL_IN}" # pseudonym, or record-number
pseudonymise = "{FILL_IN}" # keep, or hmac (needed for record numbers)

[delivery]
cut_off = "{FILL_IN}" # the day up to which the data are complete, such as 2022-06-30
kind = "full" # or incremental

[format] # of every column; any of these may stand in a column too
# decimal = ","
# thousands = "."
# date_order = "dmy"
# two_digit_pivot = 2022
# excel_dates = "1900"
# missing = {{ "n/a" = "unknown" }} # words that mean missing, with the reason
"""


def new_site(files: Sequence[Path], header_row: int = 1) -> str:
    """The text of a mapping for the files: TOML that loads, and says FILL IN where something lacks.

    `header_row` is where the header of each table stands, from 1.
    """
    from imnm_fhir.readers import read_tables

    tables = [table for path in files for table in read_tables(path, header_row=header_row)]
    parts = [_file(table, _who(table, tables), header_row) for table in tables]
    return "\n".join([HEAD, *parts])


def _who(table: "TextTable", tables: Sequence["TextTable"]) -> str:
    """A hint at the column of the patient: one that every table has; of one table, its first."""
    shared = [name for name in table.header if all(name in each.header for each in tables)]
    return f", perhaps {quoted(shared[0])}" if shared else ""


def _file(table: "TextTable", who: str, header_row: int) -> str:
    lines = [
        "[[file]]",
        f"name = {quoted(_pattern(table.file))}",
        *([f"sheet = {quoted(table.sheet)}"] if table.sheet else []),
        *([f"header_row = {header_row}"] if header_row != 1 else []),
        f'patient = "{FILL_IN}" # the column that says which patient{who}',
        '# record = "..." # the column with the record\'s id, where a patient has several rows',
        "",
        "[file.columns]",
    ]
    return "\n".join([*lines, *_columns(table), ""])


def _pattern(name: str) -> str:
    """The name as a pattern that fits itself alone."""
    return "".join(f"[{char}]" if char in "[*?" else char for char in name)


def quoted(text: str) -> str:
    """The text as a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _columns(table: "TextTable") -> list[str]:
    matches = {header: _match(header, table.columns[header]) for header in table.header}
    named = {
        (match.element, match.time_point)
        for match in matches.values()
        if match and match.field in ("value_code", "value_text")
    }
    taken: set[tuple[str, str, str | None]] = set()
    lines = []
    for header, match in matches.items():
        if match is None:
            lines.append(f'# {quoted(header)} = {{ element = "{FILL_IN}" }}')
            continue
        place = (match.element, match.field, match.time_point)
        mark, remark = ("# ", " # stands twice: which one?") if place in taken else ("", "")
        lines.append(f"{mark}{quoted(header)} = {_target(table, header, match, named)}{remark}")
        taken.add(place)
    return lines


def _match(header: str, cells: Iterable[str]) -> Match | None:
    """What the header says; the column of a disease that holds dates alone says when, not whether."""
    match = match_header(header)
    if match is None or match.field != "value_code" or not _dates_alone(cells):
        return match
    table = load_dictionary().elements[match.element].table
    return replace(match, field="date") if table == "conditions" else match


def _dates_alone(cells: Iterable[str]) -> bool:
    written = {text for text in cells if text}
    return bool(written) and all(map(_is_date, written))


def _is_date(text: str) -> bool:
    try:
        read_date(text)
    except Unreadable as error:
        # a date in a style that is to be declared; a number of five digits may be a code of Orphanet
        return error.rule in DATE_KEYS and error.rule != "excel-date"
    return True


def _target(
    table: "TextTable", header: str, match: Match, named: set[tuple[str, str | None]]
) -> str:
    element = load_dictionary().elements[match.element]
    parts = {"element": quoted(element.name)}
    if match.time_point:
        parts["time_point"] = quoted(match.time_point)
    if match.field != element.column or element.type == "event":
        parts["field"] = quoted(match.field)
    if (
        element.table in ("medications", "conditions")
        and (element.name, match.time_point) not in named
    ):
        parts["set"] = f"{{ value_code = {quoted(_only_code(element))} }}"
    kind = kind_of(load_dictionary(), element.table, match.field)
    if kind == "number" and match.field != "sessions" and wants_unit(element, match.field):
        parts["unit"] = quoted(match.unit or FILL_IN)
    if kind in ("code", "boolean"):
        parts |= _words(_of_patients(table, header), element, match.field, kind)
    return f"{{ {', '.join(f'{key} = {value}' for key, value in parts.items())} }}"


def _of_patients(table: "TextTable", header: str) -> list[str]:
    """The cells of a column but for those of lines of totals, known by the first cell of the line."""
    firsts = table.columns[table.header[0]]
    return [
        text
        for first, text in zip(firsts, table.columns[header], strict=True)
        if not names_totals(first)
    ]


def _only_code(element: Element) -> str:
    """The code of an element that takes one alone, as imnm does; else it is open which."""
    dictionary = load_dictionary()
    takes = element.attributes.get("takes", ())
    codes = dictionary.value_sets[str(element.value_set)].codes.values()
    fitting = [code.key for code in codes if code.attributes.get("group") in takes]
    return fitting[0] if len(fitting) == 1 else FILL_IN


def _words(cells: Iterable[str], element: Element, field: str, kind: str) -> dict[str, str]:
    """The words of a coded column; those of free text, or too many, are not listed."""
    distinct = sorted({text for text in cells if text})
    if element.table == "conditions" and field == "value_code":
        return {"keep": '"value_text"', "unmapped": '"text"'}
    known = _known_words(element, field, kind)
    if element.value_set == "drug" and all(fold(text) in known for text in distinct):
        return {"words": '"drug"'}
    if not distinct or len(distinct) > FEW:
        return {}
    reasons = _agreed_of("missing")
    missing = {text: reasons[fold(text)] for text in distinct if fold(text) in reasons}
    missing = {text: why for text, why in missing.items() if fold(text) not in known}
    words = {text: known.get(fold(text), FILL_IN) for text in distinct if text not in missing}
    tables = {"words": words, "missing": missing}
    return {name: _table(pairs) for name, pairs in tables.items() if pairs}


def _table(pairs: Mapping[str, str]) -> str:
    return (
        f"{{ {', '.join(f'{quoted(word)} = {quoted(value)}' for word, value in pairs.items())} }}"
    )


def _known_words(element: Element, field: str, kind: str) -> dict[str, str]:
    """Meaning by folded word, of words that mean the same in every language that has them."""
    if kind == "boolean":
        return _agreed_of("yes-no")
    value_set = load_dictionary().value_set_of(element.name, field)
    if element.value_set == "drug" and field == "value_code":
        return {fold(word): key for word, key in drug_words().items()}
    return value_set_words(value_set) if value_set else {}


@cache
def _agreed_of(kind: str) -> dict[str, str]:
    """Meaning by folded word of the sets of all languages, where they agree.

    Of one letter alone nothing is taken: N is no in one language and normal in the next.
    """
    found: dict[str, set[str]] = {}
    for name in word_sets():
        for word, meaning in load_words(name).items() if name.startswith(f"{kind}/") else ():
            if len(word) > 1:
                found.setdefault(fold(word), set()).add(meaning)
    return {word: min(meanings) for word, meanings in found.items() if len(meanings) == 1}
