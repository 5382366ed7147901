"""The verbs of the library: each is there, and is a function even after its room was imported."""

import imnm_fhir.compare
import imnm_fhir.harmonise  # noqa: F401
from imnm_fhir import api


def test_every_verb_is_there_and_can_be_called() -> None:
    for name in api.__all__:
        assert callable(getattr(api, name)), name


def test_an_unknown_verb_is_an_attribute_error() -> None:
    assert not hasattr(api, "harmonize")
