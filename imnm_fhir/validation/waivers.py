"""Waivers: a named person lets one patient through one rule, and says why.

The file is TOML, one `[[waiver]]` each with patient, rule, who, why and date, site where several sites
use the same pseudonym, and until where it holds for a time only. The rule `consent` is an ethics
committee's waiver of consent. A waiver without effect lets nobody through, so it stops nothing: it is told.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.findings import Finding, Rule, Waiver
from imnm_fhir.issues import Issue
from imnm_fhir.validation.catalogue import unknown_rule

CONSENT = "consent"
NEEDED = ("patient", "rule", "who", "why", "date")
MORE = ("site", "until")
DAYS = ("date", "until")


def load_waivers(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a file; raises `Problems` with every fault, each with its line."""
    try:
        text = path.read_text("utf-8-sig")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImnmFhirError(
            f"{path}: cannot be read: {reason}; give a waiver file (TOML)"
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ImnmFhirError(f"{path}: is not TOML: {error}; correct that line") from None
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() == "[[waiver]]"]
    faults = [f"{path}: unknown key '{key}'; it holds [[waiver]]" for key in raw if key != "waiver"]
    waivers = []
    entries = raw.get("waiver", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ImnmFhirError(f"{path}: waiver is no list; write [[waiver]], in double brackets")
    for number, entry in enumerate(entries):
        line = starts[number] if number < len(starts) else 1
        found = _entry_faults(entry)
        faults += [f"{path}, line {line}: {each}" for each in found]
        if not found:
            days = {key: str(entry[key]) for key in DAYS if key in entry}
            waivers.append(Waiver(**{**entry, **days}, place=f"{path.name}, line {line}"))
    if faults:
        raise Problems("the waiver file has faults:", faults)
    return tuple(waivers)


def _entry_faults(entry: Mapping[str, Any]) -> list[str]:
    faults = [f"lacks {key}" for key in NEEDED if not entry.get(key)]
    faults += [f"unknown key '{key}'" for key in sorted(set(entry) - {*NEEDED, *MORE})]
    texts = [key for key in entry if key not in DAYS and not isinstance(entry[key], str)]
    faults += [f"{key} must be text" for key in texts]
    for key in DAYS:
        if key in entry and type(entry[key]) is not date:
            faults.append(f"{key} must be a day such as 2022-07-01, without quotes")
    given = entry.get("date")
    if type(given) is date and given > date.today():
        faults.append("date lies in the future: it is the day on which the waiver was given")
    return faults


def check_waivers(
    waivers: Sequence[Waiver],
    rules: Mapping[str, Rule],
    patients: Iterable[tuple[str, str]],
    today: date,
) -> tuple[tuple[Waiver, ...], list[str]]:
    """The waivers that hold on `today` for a patient of the cohort, and what to say of the others.

    A waiver for a site that the cohort does not hold is left alone: one file may serve a study. What is
    said names no patient. Raises `Problems` where a rule is none, or several sites have the patient.
    """
    known = list(patients)
    sites = {site for site, _ in known}
    holding: list[Waiver] = []
    faults: list[str] = []
    idle: list[str] = []
    for number, waiver in enumerate(waivers, 1):
        place = waiver.place or f"waiver {number}"
        if waiver.rule != CONSENT and waiver.rule not in rules:
            faults.append(f"{place}: {unknown_rule(rules, waiver.rule)}")
        if waiver.site is not None and waiver.site not in sites:
            continue
        at = [s for s, name in known if name == waiver.patient and waiver.site in (None, s)]
        if not at:
            idle.append(f"{place}: {NOBODY}")
        elif waiver.site is None and len(at) > 1:
            faults.append(f"{place}: several sites have this patient; add site = ...")
        elif waiver.until and waiver.until < today.isoformat():
            idle.append(f"{place}: it held until {waiver.until}")
        else:
            holding.append(replace(waiver, place=place))
    if faults:
        raise Problems("the waivers do not fit:", faults)
    return tuple(holding), idle


NOBODY = "the cohort has no such patient: withdrawn, of another site (site = ...), or mistyped"


def waive(
    findings: Iterable[Issue], waivers: Sequence[Waiver]
) -> tuple[list[Issue], list[tuple[Issue, Waiver]]]:
    """The findings that are left, and those that a waiver lets through, with it."""
    left: list[Issue] = []
    waived: list[tuple[Issue, Waiver]] = []
    for finding in findings:
        covering = next(
            (each for each in waivers if each.covers(finding.site, finding.patient, finding.rule)),
            None,
        )
        if covering and isinstance(finding, Finding):
            waived.append((finding, covering))
        else:
            left.append(finding)
    return left, waived


def unused_waivers(
    waivers: Sequence[Waiver], waived: Iterable[tuple[Issue, Waiver]]
) -> Iterator[str]:
    """What to say of waivers that hold and let no finding through; those of consent are the gate's."""
    used = {id(waiver) for _, waiver in waived}
    for each in waivers:
        if id(each) not in used and each.rule != CONSENT:
            yield f"{each.place}: the patient does not break {each.rule}"
