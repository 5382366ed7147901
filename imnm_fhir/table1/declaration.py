"""The rows, words and footnotes of Table 1 in English, as `mappings/table1.toml` declares them."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from imnm_fhir.derive.columns import case_columns
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.languages import Translator
from imnm_fhir.study import Study
from imnm_fhir.terminology import mappings

STATISTICS = ("patients", "yes", "categories", "listed", "members", "number")
KEYS = {
    "variable", "statistic", "label", "value", "values", "value_set", "untested", "within",
    "interval", "notes", "notes_where",
}  # fmt: skip
LIMIT = re.compile(r"\{([a-z_0-9.]+)\}")


@dataclass(frozen=True)
class Declared:
    """One declared row; a heading has a label and no statistic."""

    label: str
    statistic: str = "heading"
    variable: str = ""
    value: str | None = None
    values: tuple[str, ...] = ()
    value_set: str | None = None
    untested: tuple[str, ...] = ()
    within: Mapping[str, Any] = field(default_factory=dict)
    interval: bool = False
    notes: tuple[str, ...] = ()
    notes_where: Mapping[str, str] = field(default_factory=dict)  # note by a column of cases

    def notes_of(self, patients: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """The names of its footnotes: those of a column where it holds for a patient."""
        shown = {name for each in patients for name in self.notes_where if each[name]}
        return (*self.notes, *(note for name, note in self.notes_where.items() if name in shown))


@dataclass(frozen=True)
class Declaration:
    """All declared rows, the words of the table and the footnotes."""

    rows: tuple[Declared, ...]
    words: Mapping[str, str]
    notes: Mapping[str, Any]

    @property
    def variables(self) -> set[str]:
        """The columns of cases that the table reads."""
        within = {row.within["variable"] for row in self.rows if row.within}
        where = {name for row in self.rows for name in row.notes_where}
        return within | where | {row.variable for row in self.rows if row.variable}

    def note(self, name: str, study: Study, say: Translator) -> str:
        """A footnote as `say` says it: the text of the study's variant, with the study's limits."""
        note = self.notes[name]
        text = note if isinstance(note, str) else note[study.variants[name]]
        return LIMIT.sub(lambda found: _limit(found[1], study), say(text))


@cache
def load_declaration() -> Declaration:
    """The declared table; raises `Problems` with every fault of the file."""
    raw = tomllib.loads((mappings() / "table1.toml").read_text("utf-8"))
    faults: list[str] = []
    rows = []
    for number, entry in enumerate(raw["row"], 1):
        found = list(_faults(entry, raw["notes"]))
        faults += [f"row {number} ({entry.get('variable', 'heading')}): {each}" for each in found]
        if not found:
            rows.append(_declared(entry))
    if faults:
        raise Problems("table1.toml has faults:", faults)
    return Declaration(tuple(rows), raw["words"], raw["notes"])


def _declared(entry: Mapping[str, Any]) -> Declared:
    if "heading" in entry:
        return Declared(entry["heading"])
    lists = {name: tuple(entry.get(name, ())) for name in ("values", "untested", "notes")}
    return Declared(**{**entry, **lists})


def _faults(entry: Mapping[str, Any], notes: Mapping[str, Any]) -> list[str]:
    if "heading" in entry:
        return []
    faults = [] if entry.get("label") else ["no label"]
    faults += [f"unknown key {key}" for key in entry if key not in KEYS]
    if entry.get("statistic") not in STATISTICS:
        faults.append(f"statistic is none of {', '.join(STATISTICS)}")
    where = entry.get("notes_where", {})
    for variable in (entry.get("variable"), entry.get("within", {}).get("variable"), *where):
        if variable and variable not in case_columns():
            faults.append(f"cases have no column {variable}")
    if entry.get("value_set", "sex") not in load_dictionary().value_sets:
        faults.append(f"no value set is called {entry['value_set']}")
    return faults + [
        f"no note is called {each}"
        for each in (*entry.get("notes", ()), *where.values())
        if each not in notes
    ]


def _limit(name: str, study: Study) -> str:
    """The study's limit that `section.name` stands for."""
    section, _, key = name.partition(".")
    if section == "study":
        return study.name
    if section == "visits":
        visit, _, part = key.partition(".")
        return str(getattr(study.visits[visit], part))
    if key not in study.limits.get(section, {}):
        raise ImnmFhirError(f"table1.toml: a note names {name}, which study.toml does not have")
    return str(study.limit(section, key))
