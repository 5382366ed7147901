"""The gate: who may leave a site, and who stays at home, counted by reason. And taking one out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort, keep_patients, table_hashes
from imnm_fhir.derive.consent import MAY_LEAVE, consent_columns
from imnm_fhir.derive.facts import each_patient
from imnm_fhir.derive.names import CONSENT as CONSENT_ELEMENT
from imnm_fhir.derive.names import CONSENT_FROM, CONSENT_TO, LEGAL_BASIS
from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import FindingsError, ImnmFhirError
from imnm_fhir.findings import Waiver
from imnm_fhir.keys import row_key
from imnm_fhir.languages import counted
from imnm_fhir.validation.catalogue import load_catalogue
from imnm_fhir.validation.waivers import CONSENT, check_waivers

if TYPE_CHECKING:
    import pyarrow as pa

Patient = tuple[str, str]
CONSENT_ELEMENTS = (
    CONSENT_ELEMENT,
    CONSENT_FROM,
    CONSENT_TO,
    LEGAL_BASIS,
)  # all that the gate reads
ANSWER = ("element", "value_code", "missing")
OWN_WORD = ("no", "withdrawn")  # what a patient said; no committee and no law overrules it
SAID = {  # why a patient stays at home, in words
    "no": "consent refused",
    "withdrawn": "consent withdrawn",
    "expired": "consent expired",
    "not-yet": "consent not yet valid",
    "unknown": "consent unknown and no legal basis",
    "none": "no consent sent and no legal basis",
    "unclear": "consent holds or not: its dates are too coarse",
    "unreadable": "consent was sent and cannot be read",
}


@dataclass(frozen=True)
class SiteFlow:
    """What became of the patients of one site: those who stayed at home are counted by reason."""

    site: str
    received: int
    failing: int
    consent: Mapping[str, int]
    waived: int
    passed_on: int

    def line(self) -> str:
        """The flow in one line."""
        parts = [counted(self.received, "patient")]
        if self.failing:
            parts.append(f"{self.failing} left out with impossible findings")
        parts += [f"{count} at home ({SAID[state]})" for state, count in self.consent.items()]
        if self.waived:
            parts.append(f"{self.waived} by a committee's waiver of consent")
        return f"{self.site}: {', '.join(parts)}; {self.passed_on} passed on"


@dataclass(frozen=True)
class Flow:
    """What became of all patients at the gate, by site."""

    sites: tuple[SiteFlow, ...]
    stamp: str | None = None
    idle_waivers: tuple[str, ...] = ()  # what to say of waivers without effect

    @property
    def passed_on(self) -> int:
        """Number of patients who leave."""
        return sum(each.passed_on for each in self.sites)

    def lines(self) -> list[str]:
        """One line per site, one for what was allowed against the rules, one per waiver without effect."""
        idle = [f"waiver without effect: {each}" for each in self.idle_waivers]
        return [*(each.line() for each in self.sites), *([self.stamp] if self.stamp else []), *idle]

    def record(self) -> list[dict[str, Any]]:
        """The flow as plain data, for manifests."""
        return [{**vars(each), "consent": dict(each.consent)} for each in self.sites]


@dataclass
class _Count:
    received: int = 0
    failing: int = 0
    waived: int = 0
    passed_on: int = 0
    consent: Counter[str] = field(default_factory=Counter)


def gate(
    cohort: Cohort,
    *,
    today: date,
    exclude_failing: bool = False,
    allow_errors: bool = False,
    waivers: Sequence[Waiver] = (),
    need_validation: bool = True,
) -> tuple[Cohort, Flow]:
    """The part of a cohort that may leave its site on `today`, and what became of the rest.

    Needs a validation of exactly these tables that passed (domain 8); `exclude_failing` leaves out
    the patients with impossible findings, `allow_errors` lets them through and stamps the manifest.
    A patient without valid consent stays whatever is allowed. Raises `FindingsError` saying what to do.
    """
    waivers, idle = check_waivers(waivers, load_catalogue(), _keys(cohort), today)
    failing = _failing(cohort, waivers, need_validation)
    stamp = None
    if failing and need_validation and not exclude_failing:
        if not allow_errors:
            raise FindingsError(_refusal(len(failing)))
        stamp = (
            f"{today.isoformat()}: patients let through with impossible findings: {len(failing)}"
        )
    excluded = failing if exclude_failing else set()
    counts, leaving = _sort(cohort, today, excluded, waivers)
    sites = tuple(SiteFlow(site=site, **vars(each)) for site, each in counts.items())
    flow = Flow(sites, stamp, tuple(idle))
    manifest = {**cohort.manifest, "flow": flow.record()}
    if stamp:
        manifest["stamps"] = [*cohort.manifest.get("stamps", []), stamp]
    return replace(keep_patients(cohort, leaving), manifest=manifest), flow


def _keys(cohort: Cohort) -> list[Patient]:
    table = cohort.tables["patients"]
    return list(zip(table["site"].to_pylist(), table["patient"].to_pylist(), strict=True))


def _failing(cohort: Cohort, waivers: Sequence[Waiver], need_validation: bool) -> set[str]:
    """Keys of the patients with impossible findings that no waiver lets through."""
    validation = cohort.manifest.get("validation")
    tables = cohort.manifest.get("tables")
    bound = validation and tables and validation["table_hashes"] == table_hashes(cohort.manifest)
    if not validation or not bound:
        if need_validation:
            what = "was changed after its validation" if validation else "was not validated"
            raise FindingsError(
                f"the cohort of {', '.join(cohort.sites)} {what}; run imnm-fhir validate on its folder first"
            )
        return set()
    by_key = {row_key(patient): patient for patient in _keys(cohort)}
    failing = set()
    for key, rules in validation["patients_failing"].items():
        if key not in by_key:  # withdrawn since
            continue
        site, patient = by_key[key]
        left = [
            rule for rule in rules if not any(each.covers(site, patient, rule) for each in waivers)
        ]
        if left:
            failing.add(key)
    return failing


def _refusal(count: int) -> str:
    patients = counted(count, "patient has", "patients have")
    return (
        f"{patients} impossible findings; see the report of imnm-fhir validate --report, then correct "
        "them, waive them by name (--waivers), or leave them out (--exclude-failing-patients)"
    )


def _sort(
    cohort: Cohort, today: date, excluded: set[str], waivers: Sequence[Waiver]
) -> tuple[dict[str, _Count], set[Patient]]:
    counts = {site: _Count() for site in cohort.sites}
    leaving: set[Patient] = set()
    for patient, state in consent_states(cohort, today).items():
        count = counts[patient[0]]
        count.received += 1
        waived = any(each.covers(*patient, CONSENT) for each in waivers)
        if row_key(patient) in excluded:
            count.failing += 1
        elif state in MAY_LEAVE or (waived and state not in OWN_WORD):
            count.waived += state not in MAY_LEAVE
            count.passed_on += 1
            leaving.add(patient)
        else:
            count.consent[state] += 1
    return counts, leaving


def consent_states(cohort: Cohort, today: date) -> dict[Patient, str]:
    """By site and patient, the state of consent on `today` (`imnm_fhir.derive.consent`).

    One more state, unreadable: what was sent on consent may say no, or be over, so neither the rest
    of it nor a legal basis lets the patient leave.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    about = pa.array(CONSENT_ELEMENTS)
    observations = cohort.tables["observations"]
    tables = {name: cohort.tables[name].slice(0, 0) for name in TABLES}
    tables["patients"] = cohort.tables["patients"]
    tables["observations"] = observations.filter(pc.is_in(observations["element"], value_set=about))
    sites = cohort.manifest["sites"]
    states = {
        (facts.site, facts.patient): consent_columns(
            facts, today, sites.get(facts.site, {}).get("legal_basis")
        )["consent"]
        for facts in each_patient(replace(cohort, tables=tables))
    }
    for who in _unreadable(cohort, tables["observations"]):
        if states.get(who) in MAY_LEAVE:
            states[who] = "unreadable"
    return states


def _unreadable(cohort: Cohort, observations: "pa.Table") -> Iterator[Patient]:
    """Whose cells on consent have an issue, or whose answer is text that no code stands for."""
    for issue in cohort.issues:
        if issue.element in CONSENT_ELEMENTS and issue.kind != "note":
            yield str(issue.site), str(issue.patient)
    for row in observations.select(["site", "patient", *ANSWER]).to_pylist():
        if row["element"] == CONSENT_ELEMENT and not (row["value_code"] or row["missing"]):
            yield row["site"], row["patient"]


def remove_patient(cohort: Cohort, site: str, patient: str) -> Cohort:
    """The cohort without one patient: the rows are replaced by a count in `redactions`.

    Write the result over the old cohort; the files that held the patient are removed then. The
    validation was of other tables and is dropped. Raises `ImnmFhirError` where there is no such
    patient.
    """
    patients = set(_keys(cohort))
    if (site, patient) not in patients:
        raise ImnmFhirError(f"site {site} has no such patient; nothing was taken out")
    kept = keep_patients(cohort, patients - {(site, patient)})
    rows = {name: cohort.tables[name].num_rows - kept.tables[name].num_rows for name in TABLES}
    entry = {"site": site, "at": date.today().isoformat(), "rows": rows}
    redactions = [*cohort.manifest.get("redactions", []), entry]
    return replace(kept, manifest={**cohort.manifest, "redactions": redactions, "validation": None})
