"""The suites of `expectations/*.yaml`, read strictly: every fault at once, and never a rule less.

Great Expectations itself drops a mistyped expectation in silence and merges rules that share a
column; so each one is checked and counted here.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from typing import Any

from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.findings import Rule
from imnm_fhir.validation.catalogue import COUNTED, VALIDATE, evidence_names, unknown_rule
from imnm_fhir.validation.checks import At, Bounds, Check, Condition, named_columns
from imnm_fhir.validation.lines import Lines, read_yaml
from imnm_fhir.validation.vocabulary import known_words

SUITES = (*TABLES, "cases")
DOCUMENT_KEYS = {"name", "expectations"}
KEYS = {"type", "kwargs", "meta", "select", "where", "unless", "needs", "sure", "at", "shows"}
META_KEYS = {"rule_id", "part"}
OURS = {  # arguments that are set here and would hide rows if a suite could set them
    "mostly": "a tolerated row would be lost",
    "row_condition": "use select, where or unless",
    "condition_parser": "use select, where or unless",
    "ignore_row_if": "a row with nothing in it cannot be judged",
    "result_format": "rows are fetched for what failed",
    "catch_exceptions": "a rule that raises is an error",
}
# Expectations that judge a missing value, so that it is not a reason for not judging.
JUDGE_MISSING = {"expect_column_values_to_be_null", "expect_column_values_to_not_be_null"}
PARAMETER = "$PARAMETER"


@dataclass
class _Faults:
    """What is wrong in one suite, with file and line, until all is read."""

    file: str
    document: Lines
    found: list[str] = field(default_factory=list)

    def add(self, message: str, *path: str | int) -> None:
        self.found.append(f"{self.file}, line {self.document.line(*path)}: {message}")


def read_suites(
    folder: Traversable, rules: Mapping[str, Rule], columns: Mapping[str, Collection[str]]
) -> tuple[Check, ...]:
    """Every check of every suite in `folder`; `columns` are those of each suite's rows.

    Raises `Problems` with every fault: no such expectation, argument, column, element, rule or part;
    a rule or part twice; a word that YAML took for something else.
    """
    checks, faults = read_checks(folder, rules, columns)
    if faults:
        raise Problems("the suites of rules have faults:", faults)
    return tuple(checks)


def read_checks(
    folder: Traversable, rules: Mapping[str, Rule], columns: Mapping[str, Collection[str]]
) -> tuple[list[Check], list[str]]:
    """The checks of every suite that can be read, and every fault of the others."""
    faults: list[str] = []
    checks: list[Check] = []
    for suite in SUITES:
        found, wrong = _read_suite(folder, suite, rules, columns[suite])
        checks += found
        faults += wrong
    return checks, [*faults, *_doubles(checks)]


def _doubles(checks: list[Check]) -> Iterator[str]:
    # A rule may stand in several tables with the same part, but once in each suite.
    seen: dict[tuple[str, str], Check] = {}
    for check in checks:
        first = seen.setdefault((check.suite, check.name), check)
        if first is not check:
            yield f"{check.place}: {check.name} is declared in line {first.line} already; give it a part"


def unfinished_rules(
    rules: Mapping[str, Rule], checks: Collection[Check], across: Collection[tuple[str, str | None]]
) -> list[str]:
    """Faults of a catalogue whose rules or parts no suite and no query runs."""
    run = Counter({(check.rule, check.part): 1 for check in checks})
    run.update(across)
    faults = []
    for rule, each in rules.items():
        if each.runs != VALIDATE:
            continue
        for part in each.parts or [None]:
            if (rule, part) not in run:
                name = f"{rule}.{part}" if part else rule
                faults.append(f"rules.toml: {name} is declared but no suite runs it")
    return faults


def _read_suite(
    folder: Traversable, suite: str, rules: Mapping[str, Rule], columns: Collection[str]
) -> tuple[list[Check], list[str]]:
    file = f"{suite}.yaml"
    try:
        document = read_yaml((folder / file).read_text("utf-8"), file)
    except OSError:
        return [], [f"{file}: is missing; a suite of no rules has `expectations: []`"]
    except ImnmFhirError as error:
        return [], [str(error)]
    faults = _Faults(file, document)
    faults.found += [f"{file}, line {line}: {message}" for line, message in document.faults]
    raw = document.data
    if not isinstance(raw, dict) or not isinstance(raw.get("expectations"), list):
        faults.add("holds no list `expectations`")
        return [], faults.found
    for key in sorted(set(raw) - DOCUMENT_KEYS):
        faults.add(f"unknown key '{key}'", key)
    if raw.get("name") != suite:
        faults.add(f"name must be {suite}", "name")
    reader = _Reader(suite, rules, columns, faults)
    checks = [reader.check(place, each) for place, each in enumerate(raw["expectations"])]
    return [check for check in checks if check], sorted(faults.found, key=_line_of)


def _line_of(fault: str) -> int:
    return int(re.findall(r"line (\d+)", fault)[0])


@dataclass(frozen=True)
class _Reader:
    """Reads the entries of one suite; what is wrong goes to `faults`."""

    suite: str
    rules: Mapping[str, Rule]
    columns: Collection[str]
    faults: _Faults

    def check(self, place: int, raw: Any) -> Check | None:
        """The check of one entry, or None where it has faults."""
        before = len(self.faults.found)
        if not isinstance(raw, dict):
            self.faults.add("an expectation is a mapping", "expectations", place)
            return None
        here = ("expectations", place)
        for key in sorted(set(raw) - KEYS):
            self.faults.add(f"unknown key '{key}'{_near(key, KEYS)}", *here, key)
        rule, part = self._rule(raw.get("meta"), here)
        limits = self.rules[rule].limits if rule in self.rules else {}
        kwargs = self._arguments(raw.get("kwargs"), limits, (*here, "kwargs"))
        sure = self._arguments(raw["sure"], limits, (*here, "sure")) if "sure" in raw else None
        select, where, unless = (
            self._conditions(raw.get(key, {}), limits, (*here, key))
            for key in ("select", "where", "unless")
        )
        type_ = raw.get("type")
        if not isinstance(type_, str):
            self.faults.add("lacks the type of its expectation", *here)
        check = Check(
            suite=self.suite,
            line=self.faults.document.line(*here),
            rule=rule,
            part=part,
            type=str(type_),
            kwargs=kwargs,
            select=select,
            where=where,
            unless={name: each for name, each in unless.items() if isinstance(each, tuple)},
            needs=self._needs(raw, kwargs, sure, here),
            sure={**kwargs, **sure} if sure is not None else None,
            at=tuple(self._places(raw.get("at", []), here)),
            shows=tuple(self._known(raw.get("shows", []), (*here, "shows"))),
        )
        return check if len(self.faults.found) == before else None

    def _rule(self, meta: Any, here: tuple[str | int, ...]) -> tuple[str, str | None]:
        if not isinstance(meta, dict) or not isinstance(meta.get("rule_id"), str):
            self.faults.add("lacks meta.rule_id", *here)
            return "", None
        for key in sorted(set(meta) - META_KEYS):
            self.faults.add(f"unknown key 'meta.{key}'", *here, "meta", key)
        rule, part = meta["rule_id"], meta.get("part")
        if rule not in self.rules:
            said = unknown_rule(self.rules, rule)
            self.faults.add(f"{said}; declare it in rules.toml", *here, "meta", "rule_id")
        elif self.rules[rule].parts and part not in self.rules[rule].parts:
            known = ", ".join(self.rules[rule].parts)
            self.faults.add(f"{rule} has the parts {known}, not '{part}'", *here, "meta")
        elif part is not None and not self.rules[rule].parts:
            self.faults.add(f"{rule} has no parts in rules.toml", *here, "meta", "part")
        else:
            named = evidence_names(self.rules[rule], part)
            self._known([name for name in named if name not in COUNTED], (*here, "meta"))
        return rule, part

    def _arguments(
        self, raw: Any, limits: Mapping[str, Any], here: tuple[str | int, ...]
    ) -> dict[str, Any]:
        if not isinstance(raw, dict):
            self.faults.add("lacks its arguments (a mapping)", *here)
            return {}
        for key in sorted(set(raw) & set(OURS)):
            self.faults.add(f"'{key}' is not allowed: {OURS[key]}", *here, key)
        arguments = {key: self._value(value, limits, (*here, key)) for key, value in raw.items()}
        self._known(named_columns(arguments), here)
        for each in arguments.get("value_set") or []:
            if not isinstance(each, str | int | float) or isinstance(each, bool):
                self.faults.add(f"quote {each!r}: values are text", *here, "value_set")
            elif isinstance(each, str):
                self._word(each, *here, "value_set")
        return arguments

    def _value(self, raw: Any, limits: Mapping[str, Any], here: tuple[str | int, ...]) -> Any:
        if not isinstance(raw, dict):
            return raw
        name = raw.get(PARAMETER)
        if set(raw) != {PARAMETER}:
            self.faults.add(f"a mapping may only be {{{PARAMETER}: name of a limit}}", *here)
        elif name not in limits:
            self.faults.add(
                f"no limit of the rule is called '{name}'{_near(str(name), limits)}", *here
            )
        return limits.get(str(name))

    def _conditions(
        self, raw: Any, limits: Mapping[str, Any], here: tuple[str | int, ...]
    ) -> dict[str, Condition]:
        if not isinstance(raw, dict):
            self.faults.add("a condition is a mapping of a column to its words", *here)
            return {}
        self._known(raw, here)
        return {
            name: found
            for name, value in raw.items()
            if (found := self._condition(name, value, limits, (*here, name))) is not None
        }

    def _condition(
        self, name: str, raw: Any, limits: Mapping[str, Any], here: tuple[str | int, ...]
    ) -> Condition | None:
        if isinstance(raw, dict):
            for key in sorted(set(raw) - {"min", "max"}):
                self.faults.add(f"unknown key '{key}'; a bound has min and max", *here, key)
            if here[-2] == "unless" or not raw:
                self.faults.add("give words, or under select and where a min or max", *here)
            low, high = (self._value(raw.get(end), limits, here) for end in ("min", "max"))
            return Bounds(low, high)
        words = raw if isinstance(raw, list) else [raw]
        for word in words:
            if not isinstance(word, str):
                self.faults.add(f"quote {word!r}: a condition compares text", *here)
            elif name == "element" and word not in load_dictionary().elements:
                near = _near(word, load_dictionary().elements)
                self.faults.add(f"no element is called '{word}'{near}", *here)
            else:
                self._word(word, *here)
        return tuple(str(word) for word in words)

    def _word(self, word: str, *here: str | int) -> None:
        if word not in known_words():
            self.faults.add(f"nothing is called '{word}'{_near(word, known_words())}", *here)

    def _needs(
        self,
        raw: Mapping[str, Any],
        kwargs: Mapping[str, Any],
        sure: Mapping[str, Any] | None,
        here: tuple[str | int, ...],
    ) -> tuple[str, ...]:
        if "needs" in raw:
            return tuple(self._known(raw["needs"], (*here, "needs")))
        if raw.get("type") in JUDGE_MISSING:
            return ()
        return tuple(dict.fromkeys([*named_columns(kwargs), *named_columns(sure or {})]))

    def _known(self, names: Any, here: tuple[str | int, ...]) -> list[str]:
        if isinstance(names, str):
            names = [names]
        if not all(isinstance(name, str) for name in names):
            self.faults.add("names of columns are text", *here)
            return []
        for name in names:
            if name not in self.columns:
                near = _near(name, self.columns)
                self.faults.add(f"{self.suite} has no column '{name}'{near}", *here)
        return list(names)

    def _places(self, raw: Any, here: tuple[str | int, ...]) -> Iterator[At]:
        for text in raw if isinstance(raw, list) else [raw]:
            at, fault = read_place(str(text), self.suite)
            if at and at.like:
                self._known(at.like, (*here, "at"))
            if at and at.word and not at.word.isdigit():
                self._word(at.word, *here, "at")
            if fault:
                self.faults.add(fault, *here, "at")
            elif at:
                yield at


PLACE = re.compile(
    r"(?P<name>[\w]+)\.(?P<field>\w+)(@(?P<time_point>\w+))?(=(?P<mark>\$?)(?P<word>[\w-]+))?"
)


def read_place(text: str, suite: str) -> tuple[At | None, str | None]:
    """The place that `imnm.onset_date@baseline` names (in a table's suite also a column), or a fault."""
    dictionary = load_dictionary()
    if suite != "cases" and "." not in text:
        fault = _column_fault(suite, text)
        return (None, fault) if fault else (At(suite, (), text, own=True), None)
    found = PLACE.fullmatch(text)
    if not found:
        return None, f"'{text}' names no place; write element.column, element.column@time_point"
    name = found["name"]
    elements = (name,) if name in dictionary.elements else dictionary.of_group(name)
    if not elements and name != "patients":
        return None, f"no element or group is called '{name}'{_near(name, dictionary.elements)}"
    table = dictionary.elements[elements[0]].table if elements else name
    fault = _column_fault(table, found["field"])
    word, like = (None, found["word"]) if found["mark"] else (found["word"], None)
    visits = dictionary.value_sets["time_point"].codes
    if found["time_point"] and found["time_point"] not in visits:
        fault = (
            f"no time point is called '{found['time_point']}'{_near(found['time_point'], visits)}"
        )
    return (
        (None, fault)
        if fault
        else (At(table, elements, found["field"], found["time_point"], word, like), None)
    )


def _column_fault(table: str, column: str) -> str | None:
    known = load_dictionary().tables[table].columns
    if column in known:
        return None
    return f"the cohort's {table} have no column '{column}'{_near(column, known)}"


def _near(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, list(known), 3)
    return f"; near: {', '.join(near)}" if near else ""
