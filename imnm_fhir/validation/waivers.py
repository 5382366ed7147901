"""Waivers: a named person lets one patient through one rule, and says why.

The file is TOML, one `[[waiver]]` each with patient, rule, who, why and date, and site where several
sites use the same pseudonym. The rule `consent` is an ethics committee's waiver of consent.
"""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.findings import Finding, Rule, Waiver
from imnm_fhir.issues import Issue
from imnm_fhir.validation.catalogue import unknown_rule

CONSENT = "consent"
NEEDED = ("patient", "rule", "who", "why", "date")


def load_waivers(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a file; raises `Problems` with every fault, each with its line."""
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImnmFhirError(
            f"{path}: cannot be read: {reason}; give a waiver file (TOML)"
        ) from None
    except tomllib.TOMLDecodeError as error:
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
            waivers.append(Waiver(**{**entry, "date": str(entry["date"])}))
    if faults:
        raise Problems("the waiver file has faults:", faults)
    return tuple(waivers)


def _entry_faults(entry: Mapping[str, Any]) -> list[str]:
    faults = [f"lacks {key}" for key in NEEDED if not entry.get(key)]
    faults += [f"unknown key '{key}'" for key in sorted(set(entry) - {*NEEDED, "site"})]
    texts = [key for key in entry if key != "date" and not isinstance(entry[key], str)]
    faults += [f"{key} must be text" for key in texts]
    if "date" in entry and not isinstance(entry["date"], date):
        faults.append("date must be a day such as 2022-07-01, without quotes")
    return faults


def check_waivers(
    waivers: Sequence[Waiver], rules: Mapping[str, Rule], patients: Iterable[tuple[str, str]]
) -> None:
    """Raise `Problems` where a waiver names a rule or patient that is not.

    A waiver for a site that the cohort does not hold is left alone: one file may serve a study.
    """
    known = list(patients)
    sites = {site for site, _ in known}
    faults = []
    for number, waiver in enumerate(waivers, 1):
        if waiver.rule != CONSENT and waiver.rule not in rules:
            faults.append(f"waiver {number}: {unknown_rule(rules, waiver.rule)}")
        if waiver.site is not None and waiver.site not in sites:
            continue
        named = {patient for site, patient in known if waiver.site in (None, site)}
        at = [site for site, patient in known if patient == waiver.patient]
        if waiver.patient not in named:
            faults.append(f"waiver {number}: {_unknown_patient(waiver.patient, named)}")
        elif waiver.site is None and len(at) > 1:
            faults.append(f"waiver {number}: several sites have this patient; add site = ...")
    if faults:
        raise Problems("the waivers do not fit:", faults)


def _unknown_patient(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 3)
    hint = f"; near: {', '.join(near)}" if near else ""
    return f"no patient is called '{name}'{hint}; one of another site needs site = ..."


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
