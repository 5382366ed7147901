"""Codes and addresses: only verified codes are written, systems have one name each."""

import csv
import re

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.terminology import Coding, load_codes, load_project, mappings, parse_coding

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
VERHOEFF = (  # multiplication in the dihedral group of order 10, and the permutation of a place
    "0123456789 1234067895 2340178956 3401289567 4012395678 "
    "5987604321 6598710432 7659821043 8765932104 9876543210"
).split()
PERMUTED = "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258"


def rows(name: str) -> list[dict[str, str]]:
    text = (mappings() / "terminology" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), strict=True))


def mod10(code: str) -> bool:
    """The check digit of LOINC: Luhn over the digits before the dash."""
    digits, check = code.split("-")
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(reversed(digits))]
    return -sum(n // 10 + n % 10 for n in doubled) % 10 == int(check)


def verhoeff(code: str) -> bool:
    """The check digit of SNOMED CT."""
    found = 0
    for place, digit in enumerate(reversed(code)):
        found = int(VERHOEFF[found][int(PERMUTED.split()[place % 8][int(digit)])])
    return found == 0


@pytest.mark.parametrize(
    "row", rows("codes.csv"), ids=lambda row: f"{row['concept']}-{row['code']}"
)
def test_every_code_names_its_source_and_keeps_its_check_digit(row: dict[str, str]) -> None:
    assert row["display"].strip() == row["display"] != ""
    assert row["source"]
    assert re.fullmatch(r"\S+( \S+)*", row["code"])
    if row["system"] == LOINC:
        assert mod10(row["code"])
    if row["system"] == SNOMED:
        assert verhoeff(row["code"])


@pytest.mark.parametrize(("code", "right"), [("2157-6", True), ("2157-5", False)])
def test_the_check_of_loinc_can_fail(code: str, right: bool) -> None:
    assert mod10(code) == right


@pytest.mark.parametrize(("code", "right"), [("715863001", True), ("715863010", False)])
def test_the_check_of_snomed_can_fail(code: str, right: bool) -> None:
    assert verhoeff(code) == right


def test_a_code_has_one_display() -> None:
    displays: dict[tuple[str, str], set[str]] = {}
    for row in rows("codes.csv"):
        displays.setdefault((row["system"], row["code"]), set()).add(row["display"])
    assert {pair for pair, found in displays.items() if len(found) > 1} == set()
    assert load_codes() == {pair: found.pop() for pair, found in displays.items()}


def test_codes_without_a_source_are_not_verified() -> None:
    doubted = {(r["system"], r["code"]) for r in rows("unverified.csv") if r["basis"] == "memory"}
    assert doubted
    assert doubted & load_codes().keys() == set()


def test_a_coding_has_the_display_of_its_source() -> None:
    coding = parse_coding("loinc:2157-6")
    assert coding == Coding(
        LOINC, "2157-6", "Creatine kinase [Enzymatic activity/volume] in Serum or Plasma"
    )
    assert coding.fhir() == {"system": LOINC, "code": "2157-6", "display": coding.display}


def test_a_code_may_hold_colons() -> None:
    assert parse_coding("hpo:HP:0003701").code == "HP:0003701"
    assert parse_coding("mdc:2:24440").code == "2:24440"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loinc:2157-7", "'loinc:2157-7' is not in terminology/codes.csv; add it with its source"),
        ("snomed:2157-6", "is not in terminology/codes.csv"),  # right code, wrong system
        ("lionc:2157-6", "no system is called 'lionc'"),
        ("2157-6", "no system is called '2157-6'"),
    ],
)
def test_a_code_that_is_not_verified_is_refused(text: str, message: str) -> None:
    with pytest.raises(ImnmFhirError, match=re.escape(message)):
        parse_coding(text)


def test_every_system_of_the_codes_has_a_short_name_or_is_only_documented() -> None:
    unnamed = {row["system"] for row in rows("codes.csv")} - set(load_project().systems.values())
    assert all("condition" in each or "omim" in each or "category" in each for each in unnamed)


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("https://www.orpha.net", "http://www.orpha.net"),
        ("http://www.orpha.net", "http://www.orpha.net"),
        ("http://purl.obolibrary.org/obo/hp.owl", "http://human-phenotype-ontology.org"),
        ("http://fhir.de/CodeSystem/bfarm/atc", "http://www.whocc.no/atc"),
        ("urn:oid:2.16.840.1.113883.6.96", SNOMED),
        ("http://example.org/own", "http://example.org/own"),
    ],
)
def test_other_addresses_of_a_system_are_the_same_system(address: str, canonical: str) -> None:
    assert load_project().canonical_system(address) == canonical


def test_own_addresses_have_dashes() -> None:
    address = load_project().local("CodeSystem", "onset_class")
    assert address == f"{load_project().base}/CodeSystem/onset-class"


def test_the_date_of_the_dictionary_is_a_date() -> None:
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", load_project().dictionary_date)
    assert re.fullmatch(r"\d+\.\d+\.\d+", load_project().dictionary_version)
