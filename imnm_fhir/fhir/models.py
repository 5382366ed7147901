"""Resources as typed objects of `fhir.resources` (R4B, which equals R4 for the resources used)."""

from collections.abc import Mapping
from typing import Any


def as_model(resource: Mapping[str, Any]) -> Any:
    """The resource as a `fhir.resources.R4B` object.

    Raises `pydantic.ValidationError` where the resource is not valid FHIR.
    """
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(resource["resourceType"]).model_validate(dict(resource))
