"""Table 1: overall, by group and by site, every cell with its denominator."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import Translator, load_sentences
from imnm_fhir.study import Study
from imnm_fhir.table1.declaration import load_declaration
from imnm_fhir.table1.model import Column
from imnm_fhir.table1.result import Table1
from imnm_fhir.table1.rows import Case, Words, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

MARKS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass
class _Notes:
    """Gives footnotes their numbers in the order in which they are first used."""

    words: Words
    study: Study
    texts: list[str] = field(default_factory=list)

    def marks(self, names: Iterable[str]) -> str:
        """The marks of some notes, such as `¹ ³`."""
        found = []
        for name in names:
            text = self.words.declaration.note(name, self.study, self.words.say)
            if text not in self.texts:
                self.texts.append(text)
            found.append(str(self.texts.index(text) + 1).translate(MARKS))
        return " ".join(found)


def table1(cases: "pa.Table", study: Study, by: str = "serogroup", language: str = "en") -> Table1:
    """Table 1 of `cases`: overall, by a text column of cases, and by site where there are several.

    Raises `ImnmFhirError` for a column that is not there, and as `load_sentences` for the language.
    """
    declaration = load_declaration()
    _check(cases, by)
    load_sentences(language)
    words = Words(declaration, Translator(language))
    needed = sorted({"site", by, *declaration.variables})
    columns = list(_columns(cases.select(needed).to_pylist(), by, words))
    notes = _Notes(words, study)
    named = ["serogroup", *(f"serogroup-{each}" for each in study.serogroup)]
    title_marks = notes.marks(named if by == "serogroup" else [])
    patients = [members for _, members in columns]
    rows = [
        row
        for declared in declaration.rows
        for row in rows_of(declared, patients, words, notes.marks(declared.notes_of(patients[0])))
    ]
    return Table1(
        title=f"{words.word('title')} {title_marks}".strip(),
        language=language,
        variable_label=words.word("variable"),
        empty_label=words.word("no_patients"),
        columns=tuple(column for column, _ in columns),
        rows=tuple(rows),
        footnotes=(*notes.texts, declaration.note("always", study, words.say)),
        untranslated=len(words.say.untranslated),
    )


def _check(cases: "pa.Table", by: str) -> None:
    import pyarrow as pa

    texts = [each.name for each in cases.schema if each.type == pa.string()]
    if by not in texts:
        near = get_close_matches(by, texts, 3) or ["serogroup", "onset_class", "site"]
        raise ImnmFhirError(f"cases cannot be grouped by '{by}'; near: {', '.join(near)}")


def _columns(patients: list[Case], by: str, words: Words) -> Iterator[tuple[Column, list[Case]]]:
    """Each column with its patients: all, the groups in their declared order, the sites."""
    yield _column("overall", "overall", words.word("overall"), patients)
    for group in _groups(patients, by) if by != "site" else []:
        label = words.word("unjudged") if group is None else words.value(group, by)
        members = [each for each in patients if each[by] == group]
        yield _column(group or "unjudged", "group", label, members)
    sites = sorted({each["site"] for each in patients})
    for site in sites if len(sites) > 1 or by == "site" else []:
        members = [each for each in patients if each["site"] == site]
        yield _column(f"site:{site}", "site", site, members)


def _column(key: str, kind: str, label: str, members: list[Case]) -> tuple[Column, list[Case]]:
    return Column(key, kind, label, len(members)), members


def _groups(patients: list[Case], by: str) -> list[str | None]:
    """The values of the value set that bears the column's name, the others that occur, null."""
    known = load_dictionary().value_sets.get(by)
    declared = list(known.codes) if known else []
    found = {each[by] for each in patients}
    others = sorted(found - {*declared, None})
    return [*declared, *others, *([None] if None in found else [])]
