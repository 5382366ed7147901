"""The page of a transfer certificate: its verdict, its states, its language."""

import json
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.errors import UsageError
from imnm_fhir.languages import load_sentences
from imnm_fhir.proof import (
    STATES,
    Verification,
    certificate_page,
    make_certificate,
    write_certificate,
)
from imnm_fhir.proof.certificate import WORDS

LANGUAGES = ("de", "es", "fr", "it", "nl")


@pytest.fixture
def certificate() -> dict[str, Any]:
    made = make_certificate(
        Verification(),
        cohort={"sites": ["<madrid>"], "cut_off": [], "patients": 16, "sha256": "0" * 64},
        server={"address": "https://example.org/fhir", "software": "", "fhir_version": "4.0.1"},
        at="2026-03-04T05:06:07+00:00",
    )
    return made | {"counts": [
        {"type": "Observation", "element": "ck", "state": "changed", "resources": 7}
    ]}  # fmt: skip


def test_every_state_has_a_name_and_a_meaning() -> None:
    assert set(WORDS) == set(STATES)


@pytest.mark.parametrize(
    ("holds", "said"),
    [(True, "Everything is there as it was sent."), (False, "The server does not hold what was")],
)
def test_the_verdict_is_what_the_certificate_says(
    certificate: dict[str, Any], holds: bool, said: str
) -> None:
    page = certificate_page(certificate | {"holds": holds})
    assert said in page
    assert ("✓" in page, "✗" in page) == (holds, not holds)


def test_the_page_escapes_what_it_shows_and_says_when(certificate: dict[str, Any]) -> None:
    page = certificate_page(certificate)
    assert "&lt;madrid&gt;" in page
    assert "<madrid>" not in page
    assert "2026-03-04 05:06:07 UTC" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_the_language(certificate: dict[str, Any], language: str) -> None:
    page = certificate_page(certificate, language)
    said = load_sentences(language)
    assert f'lang="{language}"' in page
    for english in ("Transfer certificate", "Both ends", *(name for name, _ in WORDS.values())):
        assert said[english] in page
    assert "Transfer certificate" not in page


def test_an_unknown_language_leaves_nothing_behind(
    certificate: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no sentences in 'xx'"):
        write_certificate(certificate, tmp_path / "a.json", "xx")
    assert list(tmp_path.iterdir()) == []


def test_the_json_is_the_same_in_every_language(
    certificate: dict[str, Any], tmp_path: Path
) -> None:
    english, _ = write_certificate(certificate, tmp_path / "en.json")
    french, _ = write_certificate(certificate, tmp_path / "fr.json", "fr")
    assert json.loads(english.read_text("utf-8")) == json.loads(french.read_text("utf-8"))
