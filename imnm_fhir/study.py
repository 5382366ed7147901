"""The study's configuration: which definition a derived variable takes, its windows and limits.

`mappings/study.toml` holds the defaults; a study's own TOML says only what differs from them.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.terminology import mappings
from imnm_fhir.toml_lines import line_of

CHOICES: dict[str, tuple[str, ...]] = {
    "serogroup": ("srp-unconfirmed", "other-msa"),
    "severe_weakness": ("any", "proximal-axial", "mmt8"),
    "strategy": (
        "started-by-day", "concurrent", "from-first-treatment", "without-glucocorticoids",
    ),
    "ck_baseline": ("before-treatment", "window", "peak"),
    "good_response": ("response", "tis", "ck"),
    "minor_cancers": ("excluded", "included"),
}  # fmt: skip

SMALL_CELLS = ("warn", "hide", "refuse", "permitted")  # what becomes of them in a shared table
RULES = "rules"
DEMANDED = "demanded"
ANY = "any"  # in [demanded]: at any time, beside time points


@dataclass(frozen=True)
class Visit:
    """A visit: days around the diagnosis plus `months`, both ends inside."""

    months: int
    before_days: int
    after_days: int


@dataclass(frozen=True)
class Demand:
    """The least percentage of a site's patients who should have an element, at a visit or (None) ever."""

    element: str
    time_point: str | None
    percent: int


@dataclass(frozen=True)
class Study:
    """Every choice of a study. `variants` by variable; `limits` by section and name of the TOML.

    `serogroup` is a list (its variants may be combined), every other variant one word. `data_date`
    is the cut-off for every site (None: the sites' own); `today` the day on which consent is judged
    (None: the day of the run).
    """

    name: str
    adults_only: bool
    data_date: date | None
    today: date | None
    serogroup: tuple[str, ...]
    variants: Mapping[str, str]
    limits: Mapping[str, Mapping[str, int]]
    pulse_unit: str
    pulse_rate_unit: str
    start_rate_unit: str
    visits: Mapping[str, Visit]
    signed: bool = False  # whether a pool takes only what an investigator has endorsed
    questions: int = 50  # at most in one list of queries
    small_cells: str = "warn"
    demanded: tuple[Demand, ...] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)  # read by imnm_fhir.validation
    hash: str = field(default="", compare=False)
    source: tuple[str, str] = field(default=("", ""), compare=False)  # the own file, and its text

    def place(self, *path: str) -> str:
        """Where the study's own file says something, as `study.toml, line 4: `."""
        file, text = self.source
        return f"{file}, line {line_of(text, *path)}: " if file else ""

    def limit(self, section: str, name: str) -> int:
        """A window or limit, such as `limit("onset_class", "acute_days")`."""
        return self.limits[section][name]


def load_study(path: Path | None = None) -> Study:
    """The defaults, with the study's own TOML over them.

    Raises `Problems` with every unknown key (and the nearest known one), wrong type and unknown
    choice, each with its line; `ImnmFhirError` where the file cannot be read.
    """
    defaults = tomllib.loads((mappings() / "study.toml").read_text("utf-8"))
    if path is None:
        return _study(defaults)
    try:
        text = path.read_text("utf-8-sig")
        own = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImnmFhirError(f"{path}: cannot be read: {reason}; give a study's TOML file") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ImnmFhirError(f"{path}: is not TOML: {error}; correct that line") from None
    faults = _faults(own, defaults)
    if faults:
        raise Problems(f"{path} has faults:", [_placed(fault, text) for fault in faults])
    return replace(_study(_merged(defaults, own)), source=(str(path), text))


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What a study says over the defaults; what it demands of an element replaces the default whole."""
    merged = dict(defaults)
    for name, value in own.items():
        if name == DEMANDED:
            merged[name] = {**merged[name], **value}
            continue
        merged[name] = _merged(merged.get(name, {}), value) if isinstance(value, dict) else value
    return merged


def demands_of(raw: Mapping[str, Any]) -> Iterator[Demand]:
    """The demands of a [demanded] section: a percentage by element, or by element and visit; not 0."""
    for element, said in raw.items():
        for point, percent in (said if isinstance(said, dict) else {ANY: said}).items():
            if percent:
                yield Demand(element, None if point == ANY else point, percent)


def _study(raw: Mapping[str, Any]) -> Study:
    about, variants = raw["study"], dict(raw["variants"])
    serogroup = tuple(sorted(variants.pop("serogroup")))
    apart = ("study", "variants", "visits", DEMANDED, RULES)
    limits = {
        section: {name: value for name, value in entries.items() if isinstance(value, int)}
        for section, entries in raw.items()
        if section not in apart
    }
    study = Study(
        name=about["name"],
        adults_only=about["adults_only"],
        signed=about["signed"],
        questions=about["questions"],
        data_date=about.get("data_date"),
        today=about.get("today"),
        serogroup=serogroup,
        variants=variants,
        limits=limits,
        pulse_unit=raw["pulse"]["unit"],
        pulse_rate_unit=raw["pulse"]["rate_unit"],
        start_rate_unit=raw["pulse"]["start_rate_unit"],
        visits={name: Visit(**each) for name, each in raw["visits"].items()},
        small_cells=raw["disclosure"]["small_cells"],
        demanded=tuple(demands_of(raw[DEMANDED])),
        rules=raw.get(RULES, {}),
    )
    return Study(**{**vars(study), "hash": _hash(study)})


def _hash(study: Study) -> str:
    """SHA-256 of all that changes a result: every field but the name, the day and what a site is asked for."""
    apart = ("name", "today", "signed", "questions", "small_cells", "hash", "source")
    said = {key: value for key, value in asdict(study).items() if key not in apart}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


Fault = tuple[str, str, str]  # section, key, what is wrong

OPTIONAL: dict[str, Any] = {"data_date": date(2000, 1, 1), "today": date(2000, 1, 1)}


def _faults(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Fault]:
    faults: list[Fault] = []
    for section, entries in own.items():
        if section == RULES:
            continue  # the validation knows its rules, and says what is wrong with them
        if section not in defaults:
            faults.append((section, "", _unknown("section", section, defaults)))
        elif not isinstance(entries, dict):
            faults.append((section, "", f"must be a section of its own, [{section}]"))
        elif section == DEMANDED:
            visits = defaults["visits"] | _tables(own.get("visits"))
            faults += [
                (DEMANDED, name, each)
                for name, said in entries.items()
                for each in _demand_faults(name, said, visits)
            ]
        elif section == "visits":
            faults += [
                each for name in entries for each in _visit_faults(name, entries[name], defaults)
            ]
        else:
            known = defaults[section] | (OPTIONAL if section == "study" else {})
            faults += _entry_faults(section, entries, known)
    return faults


def _entry_faults(
    section: str, entries: Mapping[str, Any], known: Mapping[str, Any]
) -> list[Fault]:
    faults = []
    for key, value in entries.items():
        if key not in known:
            faults.append((section, key, _unknown("key", key, known)))
        elif section == "variants":
            faults += [(section, key, said) for said in _choice_faults(key, value)]
        elif key == "questions" and (type(value) is not int or value < 1):
            faults.append((section, key, "must be a number from 1 on"))
        elif key == "small_cells" and value not in SMALL_CELLS:
            faults.append((section, key, f"'{value}' is none of {', '.join(SMALL_CELLS)}"))
        else:
            wrong = _value_fault(value, known[key])
            faults += [(section, key, wrong)] if wrong else []
    return faults


def _tables(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _demand_faults(name: str, said: Any, visits: Mapping[str, Any]) -> Iterator[str]:
    from imnm_fhir.dictionary import load_dictionary

    elements = load_dictionary().elements
    if name not in elements:
        yield _unknown("element", name, elements)
        return
    by_visit = isinstance(said, dict)
    for point, percent in (said if by_visit else {ANY: said}).items():
        if point != ANY:
            yield from _point_faults(point, visits)
            if elements[name].table != "observations":
                yield f"is no observation, so no visit has it; write {name} = 90"
        if type(percent) is not int or not 0 <= percent <= 100:
            whose = f"{point} " if by_visit else ""
            yield f"{whose}must be a percentage, 0 to 100 (0: not demanded)"
    if by_visit and not said:
        yield "names no visit; write a percentage, or { baseline = 90, month_6 = 80 }"


def _point_faults(point: str, visits: Mapping[str, Any]) -> Iterator[str]:
    """A demand at a visit needs the visit's window: when it is over, what is not there is missing."""
    from imnm_fhir.dictionary import load_dictionary

    points = load_dictionary().value_sets["time_point"].codes
    if point not in points:
        yield _unknown("time point", point, {**dict.fromkeys((ANY, *visits)), **points})
    elif point not in visits:
        yield f"{point} has no window in this study; add [visits.{point}]"


def _visit_faults(name: str, entries: Any, defaults: Mapping[str, Any]) -> list[Fault]:
    from imnm_fhir.dictionary import load_dictionary

    points = load_dictionary().value_sets["time_point"].codes
    if name not in points:
        return [(f"visits.{name}", "", _unknown("time point", name, points))]
    pattern = defaults["visits"]["baseline"]
    if not isinstance(entries, dict):
        return [("visits", name, "must be a table with months, before_days, after_days")]
    faults = _entry_faults(f"visits.{name}", entries, pattern)
    if name not in defaults["visits"]:
        lacking = [key for key in pattern if key not in entries]
        faults += [(f"visits.{name}", "", f"lacks {', '.join(lacking)}")] if lacking else []
    return faults


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 3)
    hint = f"near: {', '.join(near)}" if near else f"known: {', '.join(known)}"
    return f"no {what} is called '{name}'; {hint}"


def _choice_faults(variable: str, value: Any) -> list[str]:
    choices = CHOICES[variable]
    if variable == "serogroup":
        if not isinstance(value, list):
            return [f"must be a list of {', '.join(choices)}"]
        chosen = value
    else:
        chosen = [value]
    wrong = [each for each in chosen if each not in choices]
    return [f"'{each}' is none of {', '.join(choices)}" for each in wrong]


def _value_fault(value: Any, example: Any) -> str | None:
    """What is wrong with a value that should be as the example is; None where nothing is."""
    checks: dict[type, tuple[Callable[[Any], bool], str]] = {
        bool: (lambda it: isinstance(it, bool), "true or false"),
        int: (lambda it: type(it) is int and it >= 0, "a whole number, 0 or more"),
        str: (lambda it: isinstance(it, str), "text"),
        list: (lambda it: isinstance(it, list) and all(isinstance(e, str) for e in it), "a list of text"),
        date: (lambda it: isinstance(it, date) and not isinstance(it, datetime), "a date such as 2022-06-30"),
    }  # fmt: skip
    fits, wanted = checks[type(example)]
    return None if fits(value) else f"must be {wanted}"


def _placed(fault: Fault, text: str) -> str:
    section, key, said = fault
    path = (*section.split("."), *([key] if key else []))
    return f"line {line_of(text, *path)}: {'.'.join(path)}: {said}"
