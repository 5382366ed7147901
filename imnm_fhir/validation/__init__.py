"""Validation: the rules over a cohort, what they find, and who may leave.

`Validation` and what is in it stand in `imnm_fhir.findings`.
"""

from typing import TYPE_CHECKING

from imnm_fhir.later import later
from imnm_fhir.validation.catalogue import load_catalogue
from imnm_fhir.validation.gate import (
    CONSENT_ELEMENTS,
    Flow,
    SiteFlow,
    consent_states,
    gate,
    remove_patient,
)
from imnm_fhir.validation.waivers import load_waivers

if TYPE_CHECKING:
    from imnm_fhir.validation.expectations import RuleError
    from imnm_fhir.validation.folder import validate_folder
    from imnm_fhir.validation.run import validate

__all__ = [
    "CONSENT_ELEMENTS",
    "Flow",
    "RuleError",
    "SiteFlow",
    "consent_states",
    "gate",
    "load_catalogue",
    "load_waivers",
    "remove_patient",
    "validate",
    "validate_folder",
]

__getattr__ = later(
    __name__,
    {
        "expectations": ("RuleError",),
        "folder": ("validate_folder",),
        "run": ("validate",),
    },
)
