"""The catalogue of rules: each declared once in `expectations/rules.toml`.

A rule has an id, a kind, a category (Kahn et al. 2016), a source mark, a sentence, an advice and a
question in English (translations stand in the catalogues of `imnm_fhir.languages`), and limits that a
study may change. A rule that asks several things has parts, each with a sentence and, where it
differs, a kind and category of its own.
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.findings import Part, Rule
from imnm_fhir.issues import CATEGORIES, KINDS

FILE = "rules.toml"
NEEDED = {"kind", "category", "source", "sentence", "advice", "question"}
RULE_KEYS = NEEDED | {"limits", "parts", "evidence", "converted", "boundary", "runs"}
PART_KEYS = {"kind", "category", "sentence", "question", "evidence"}
PLACEHOLDER = re.compile(r"{(\w*)}")
VALIDATE = "validate"  # the command that asks a rule, unless it says another
COUNTED = ("failing", "judged")  # patients of the finding's site; what every evidence may name


def expectations() -> Traversable:
    """The folder `expectations/` as installed."""
    return files("imnm_fhir.expectations")


def read_catalogue(folder: Traversable) -> dict[str, Rule]:
    """The rules by id; raises `Problems` with every fault of the file, each with its line."""
    text = (folder / FILE).read_text("utf-8")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ImnmFhirError(f"{FILE}: {error}; mend it") from None
    faults: list[str] = []
    rules: dict[str, Rule] = {}
    for rule, entry in raw.items():
        found = _rule_faults(rule, entry)
        faults += [f"{FILE}, line {_line(text, rule)}: {rule}: {each}" for each in found]
        if not found:
            rules[rule] = _rule(rule, entry)
    if faults:
        raise Problems("the catalogue of rules has faults:", faults)
    return rules


@cache
def load_catalogue() -> dict[str, Rule]:
    """The rules that are installed with the package, by id."""
    return read_catalogue(expectations())


def _line(text: str, rule: str) -> int:
    found = re.search(rf"^\[\"?{re.escape(rule)}\"?\]", text, re.M)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _rule_faults(rule: str, raw: dict[str, Any]) -> list[str]:
    faults = [f"lacks {key}" for key in sorted(NEEDED - set(raw))]
    faults += [f"unknown key '{key}'" for key in sorted(set(raw) - RULE_KEYS)]
    faults += _value_faults(raw, raw.get("limits", {}))
    faults += _text_faults("advice", raw.get("advice"), raw.get("limits", {}))
    faults += _text_faults("boundary", raw.get("boundary"), raw.get("limits", {}))
    for name, part in raw.get("parts", {}).items():
        found = [f"unknown key '{key}'" for key in sorted(set(part) - PART_KEYS)]
        found += _value_faults(part, raw.get("limits", {}))
        faults += [f"part {name}: {each}" for each in found]
    return faults


def _value_faults(raw: dict[str, Any], limits: dict[str, Any]) -> list[str]:
    faults = []
    if raw.get("kind", "note") not in KINDS:
        faults.append(f"kind '{raw['kind']}' is none of {', '.join(KINDS)}")
    if raw.get("category", CATEGORIES[0]) not in CATEGORIES:
        faults.append(f"category '{raw['category']}' is none of {', '.join(CATEGORIES)}")
    faults += _text_faults("question", raw.get("question"), limits)
    return faults + _text_faults("sentence", raw.get("sentence"), limits)


def _text_faults(key: str, said: object, limits: dict[str, Any]) -> list[str]:
    if said is None:
        return []
    if not isinstance(said, str):
        moves = "python -m scripts.catalogues moves translations to mappings/languages/"
        return [f"{key} is no text; {moves}"]
    unknown = set(PLACEHOLDER.findall(said)) - set(limits)
    return [f"{key} names no limit '{each}'" for each in sorted(unknown)]


def _rule(rule: str, raw: dict[str, Any]) -> Rule:
    parts = {
        name: Part(
            name,
            part.get("kind", raw["kind"]),
            part.get("category", raw["category"]),
            part.get("sentence", raw["sentence"]),
            part.get("question", raw["question"]),
            part.get("evidence", raw.get("evidence", "")),
        )
        for name, part in raw.get("parts", {}).items()
    }
    return Rule(
        id=rule,
        kind=raw["kind"],
        category=raw["category"],
        source=raw["source"],
        sentence=raw["sentence"],
        advice=raw["advice"],
        question=raw["question"],
        limits=raw.get("limits", {}),
        parts=parts,
        evidence=raw.get("evidence", ""),
        converted=(raw["converted"]["from"], raw["converted"]["to"])
        if "converted" in raw
        else None,
        boundary=raw.get("boundary"),
        runs=raw.get("runs", VALIDATE),
    )


def evidence_names(rule: Rule, part: str | None) -> tuple[str, ...]:
    """The numbers of the data that the evidence names: counts, and columns of the judged row."""
    words = rule.part(part).evidence
    return tuple(
        dict.fromkeys(name for name in PLACEHOLDER.findall(words) if name not in rule.numbers("en"))
    )


def unknown_rule(catalogue: Mapping[str, Rule], name: str) -> str:
    """What to say of a rule id that the catalogue does not have."""
    near = get_close_matches(name, catalogue, 3)
    return f"no rule is called '{name}'" + (f"; near: {', '.join(near)}" if near else "")
