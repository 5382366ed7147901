"""Cases: one row per patient, every derived variable, made from the five tables."""

from typing import TYPE_CHECKING

from imnm_fhir.later import later

if TYPE_CHECKING:
    from imnm_fhir.derive.cases import derive_case, derive_cases
    from imnm_fhir.derive.columns import CASE_COLUMNS, case_columns
    from imnm_fhir.derive.consent import MAY_LEAVE, consent_state

__all__ = [
    "CASE_COLUMNS",
    "MAY_LEAVE",
    "case_columns",
    "consent_state",
    "derive_case",
    "derive_cases",
]

__getattr__ = later(
    __name__,
    {
        "cases": (
            "derive_case",
            "derive_cases",
        ),
        "columns": (
            "CASE_COLUMNS",
            "case_columns",
        ),
        "consent": (
            "MAY_LEAVE",
            "consent_state",
        ),
    },
)
