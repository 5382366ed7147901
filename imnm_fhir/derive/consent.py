"""Consent to reuse, judged on a day."""

from datetime import date
from typing import Any

from imnm_fhir.derive.facts import Facts
from imnm_fhir.derive.names import CONSENT, CONSENT_FROM, CONSENT_TO, DECLINED, LEGAL_BASIS
from imnm_fhir.derive.periods import UNKNOWN, Period, exact, inside, period

MAY_LEAVE = ("valid", "legal-basis")


def consent_state(
    answer: str | None, valid_from: Period, valid_to: Period, legal_basis: bool, day: date
) -> str:
    """The state of consent on a day; only those of `MAY_LEAVE` let a patient leave the site.

    valid, legal-basis (in the place of unknown or not sent), no, withdrawn, unknown, none (not
    sent), expired, not-yet, or unclear where a partial date leaves open whether it holds. A legal
    basis never stands in for no, withdrawn or expired (domain 8).
    """
    if answer == "yes":
        return _within(valid_from, valid_to, day)
    if answer in ("no", "withdrawn"):
        return answer
    return "legal-basis" if legal_basis else (answer or "none")


def _within(valid_from: Period, valid_to: Period, day: date) -> str:
    start = valid_from if valid_from != UNKNOWN else exact(date.min)
    end = valid_to if valid_to != UNKNOWN else exact(date.max)
    valid = inside(exact(day), start, end)
    if valid is None:
        return "unclear"
    if valid:
        return "valid"
    return "expired" if end.latest and end.latest < day else "not-yet"


def consent_columns(facts: Facts, day: date, site_basis: str | None) -> dict[str, Any]:
    """The columns of consent; `site_basis` is the legal basis of the whole site, if any."""
    answer = _answer(facts)
    bases = [row.value_text for row in facts.rows(LEGAL_BASIS) if row.value_text]
    basis = bases[0] if bases else site_basis
    first, last = (_one_day(facts, name) for name in (CONSENT_FROM, CONSENT_TO))
    return {
        "consent": consent_state(answer, first, last, bool(basis), day),
        "consent_reported": answer,
        "legal_basis": basis,
    }


def _answer(facts: Facts) -> str | None:
    """The strictest answer given at any time: a withdrawal outweighs an earlier yes."""
    said = {row.value_code or row.missing for row in facts.rows(CONSENT)}
    if DECLINED in said:
        said.add("no")
    return next((each for each in ("withdrawn", "no", "yes", "unknown") if each in said), None)


def _one_day(facts: Facts, element: str) -> Period:
    return next((period(row.value_date) for row in facts.rows(element) if row.value_date), UNKNOWN)
