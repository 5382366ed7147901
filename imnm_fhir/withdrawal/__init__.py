"""Withdrawing a patient from everything: servers, cohorts, files, journals, reports; and the proof."""

from typing import TYPE_CHECKING

from imnm_fhir.later import later

if TYPE_CHECKING:
    from imnm_fhir.withdrawal.at_server import AtServer, withdraw_at
    from imnm_fhir.withdrawal.cohorts import Redacted, redact_cohort, resource_ids
    from imnm_fhir.withdrawal.journals import journal_ids
    from imnm_fhir.withdrawal.person import Person, parse_person
    from imnm_fhir.withdrawal.places import cohort_folders, redact_place
    from imnm_fhir.withdrawal.traces import find_traces

__all__ = [
    "AtServer",
    "Person",
    "Redacted",
    "cohort_folders",
    "find_traces",
    "journal_ids",
    "parse_person",
    "redact_cohort",
    "redact_place",
    "resource_ids",
    "withdraw_at",
]

__getattr__ = later(
    __name__,
    {
        "at_server": (
            "AtServer",
            "withdraw_at",
        ),
        "cohorts": (
            "Redacted",
            "redact_cohort",
            "resource_ids",
        ),
        "journals": ("journal_ids",),
        "person": (
            "Person",
            "parse_person",
        ),
        "places": (
            "cohort_folders",
            "redact_place",
        ),
        "traces": ("find_traces",),
    },
)
