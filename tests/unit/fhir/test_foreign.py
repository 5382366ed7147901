"""Foreign FHIR is read where it means the same, and told apart where it does not."""

from typing import Any

import pytest

from imnm_fhir.cohort import Cohort
from imnm_fhir.fhir import Located, from_fhir
from imnm_fhir.fhir.reading.foreign import day

Resource = dict[str, Any]
LOINC, SNOMED, ATC = "http://loinc.org", "http://snomed.info/sct", "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p1",
    "gender": "female",
    "birthDate": "1950-05-01",
}


def quantity(value: Any, code: str, **more: Any) -> Resource:
    return {"value": value, "unit": code, "system": UCUM, "code": code, **more}


def absent(reason: str) -> Resource:
    url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    return {"extension": [{"url": url, "valueCode": reason}]}


def observation(code: str = "2157-6", system: str = LOINC, **more: Any) -> Resource:
    return {
        "resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p1"}, **more,
    }  # fmt: skip


def statement(**more: Any) -> Resource:
    return {
        "resourceType": "MedicationStatement", "id": "m1", "status": "active",
        "subject": {"reference": "Patient/p1"}, **more,
    }  # fmt: skip


def drug(code: str, system: str = ATC) -> Resource:
    return {"medicationCodeableConcept": {"coding": [{"system": system, "code": code}]}}


def condition(code: str, **more: Any) -> Resource:
    return {
        "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": SNOMED, "code": code}]}, **more,
    }  # fmt: skip


def read(*resources: Resource) -> Cohort:
    return from_fhir([PATIENT, *resources], site="oslo_no")


def rows(cohort: Cohort, table: str) -> list[Resource]:
    kept = [
        {name: value for name, value in row.items() if value is not None}
        for row in cohort.tables[table].to_pylist()
    ]
    return [
        {k: v for k, v in row.items() if k not in ("id", "site", "patient", "file", "row")}
        for row in kept
    ]


def only(table: str, *resources: Resource) -> Resource:
    cohort = read(*resources)
    assert [issue.message for issue in cohort.issues] == []
    (row,) = rows(cohort, table)
    return row


def refused(*resources: Resource) -> str:
    """Why the one resource was refused; no row came of it."""
    cohort = read(*resources)
    assert all(not rows(cohort, name) for name in cohort.tables if name != "patients")
    (issue,) = [each for each in cohort.issues if each.rule == "resource-refused"]
    return issue.message


def unread(*resources: Resource) -> list[str]:
    cohort = read(*resources)
    assert not [each for each in cohort.issues if each.rule == "resource-refused"]
    return [each.message for each in cohort.issues]


CK = {"element": "ck", "n": "o1", "value_number": "500", "unit": "U/L"}


@pytest.mark.parametrize(
    ("said", "number"),
    [
        (quantity(500, "U/L"), "500"),
        (quantity(500, "U/L", unit="IU/l"), "500"),  # how it is printed beside its code
        ({"value": 500, "unit": "IU/L"}, "500"),  # no code: the spelling; enzymes count IU as U
        ({"value": 500, "unit": "UI/l"}, "500"),
        (quantity(8, "ukat/L"), "480"),
        (quantity(500, "U/L", system="http://unitsofmeasure.org"), "500"),
    ],
)
def test_units_that_mean_the_same(said: Resource, number: str) -> None:
    assert only("observations", observation(valueQuantity=said)) == {**CK, "value_number": number}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"value": 500}, "no unit"),
        (quantity(500, "mg/dL"), "cannot be converted"),
        ({"value": 500, "unit": "squirrels"}, "unit is not known"),
        ({**quantity(500, "U/L"), "system": "urn:other", "code": "kat"}, "contradicts"),
        (quantity("500", "U/L"), "no number"),
        (quantity(True, "U/L"), "no number"),
        (quantity(500, "U/L", comparator="ad"), "comparator"),
        (quantity(1234567890123456, "U/L"), "15 significant digits"),
    ],
)
def test_quantities_that_are_refused(said: Resource, why: str) -> None:
    assert why in refused(observation(valueQuantity=said))


def test_comparator_and_reference_range() -> None:
    row = only(
        "observations",
        observation(
            valueQuantity=quantity(20, "U/L", comparator="<"),
            referenceRange=[{"high": quantity(190, "U/L")}],
        ),
    )
    assert row == {**CK, "value_number": "20", "comparator": "<", "reference_high": "190"}


def test_whole_number_of_a_score_needs_no_unit() -> None:
    row = only("observations", observation("75859-9", valueInteger=3))
    assert (row["element"], row["value_number"], row["unit"]) == ("mrs", "3", "{score}")


def test_date_and_time_become_the_day_as_written() -> None:
    row = only(
        "observations",
        observation(
            valueQuantity=quantity(500, "U/L"), effectiveDateTime="2019-03-04T23:30:00-05:00"
        ),
    )
    assert row["date"] == "2019-03-04"
    assert day("2019-03") == "2019-03"
    assert day("2019-03-04T10:00:00.123Z") == "2019-03-04"


def test_another_address_of_a_system_and_a_second_coding() -> None:
    codings = [
        {"system": "urn:oid:2.16.840.1.113883.6.1", "code": "2157-6"},
        {"system": "http://hospital.example/lab", "code": "CK1", "display": "CK"},
    ]
    said = observation(valueQuantity=quantity(500, "U/L")) | {"code": {"coding": codings}}
    assert unread(said) == [
        "Observation.code.coding[].code: 1 times, not read",
        "Observation.code.coding[].system: 1 times, not read",
    ]
    assert rows(read(said), "observations") == [CK]


def test_codings_of_two_elements_are_refused() -> None:
    codings = [{"system": LOINC, "code": code} for code in ("2157-6", "2532-0")]
    said = observation(valueQuantity=quantity(500, "U/L")) | {"code": {"coding": codings}}
    assert "several elements" in refused(said)


def test_a_code_counts_only_with_its_system() -> None:
    said = observation(system="urn:oid:2.16.840.1.113883.6.238", valueQuantity=quantity(500, "U/L"))
    assert "no element" in refused(said)


@pytest.mark.parametrize(
    "status", ["preliminary", "registered", "cancelled", "entered-in-error", "unknown", None]
)
def test_an_observation_that_is_not_final_is_no_data(status: str | None) -> None:
    assert "status" in refused(observation(valueQuantity=quantity(500, "U/L"), status=status))


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_final_observation_is(status: str) -> None:
    assert (
        only("observations", observation(valueQuantity=quantity(500, "U/L"), status=status)) == CK
    )


@pytest.mark.parametrize(
    "said",
    [
        {"modifierExtension": [{"url": "http://x.example/not", "valueBoolean": True}]},
        {"implicitRules": "http://x.example/rules"},
        {"focus": [{"reference": "Patient/foetus"}]},
        {"meta": {"tag": [{"code": "SUBSETTED"}]}},
        {"contained": [{"resourceType": "Device", "id": "d", "modifierExtension": [{"url": "u"}]}]},
        {"valueString": "500"},
        {"dataAbsentReason": {"text": "lost"}},
        {"subject": {"reference": "Group/p1"}},
        {"subject": {"reference": "Patient/other"}},
        {"subject": {"display": "somebody"}},
    ],
)
def test_what_changes_the_meaning_refuses(said: Resource) -> None:
    assert refused({**observation(valueQuantity=quantity(500, "U/L")), **said})


def test_everything_else_is_listed() -> None:
    said = observation(
        valueQuantity=quantity(500, "U/L"),
        bodySite={"text": "left arm"},
        note=[{"text": "haemolytic"}, {"text": "second"}],
        component=[{"code": {"text": "x"}, "valueString": "y"}],
        extension=[{"url": "http://x.example/e", "valueCode": "z"}],
        encounter={"reference": "Encounter/1"},
        issued="2019-03-04T10:00:00Z",
        text={"status": "generated", "div": "<div/>"},
    )
    cohort = read(said)
    assert rows(cohort, "observations") == [{**CK, "value_text": "haemolytic"}]
    assert [issue.column for issue in cohort.issues] == [
        "bodySite.text", "component[].code.text", "component[].valueString", "extension[].url",
        "extension[].valueCode", "note[].text",
    ]  # fmt: skip


def test_an_unknown_time_point_of_ours_refuses() -> None:
    own = "https://imnm-fhir.github.io/fhir/StructureDefinition/time-point"
    said = observation(
        valueQuantity=quantity(500, "U/L"), extension=[{"url": own, "valueCode": "month-7"}]
    )
    assert "time_point" in refused(said)


def test_coded_results_of_antibodies() -> None:
    interpretation = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
    concept = {"coding": [{"system": interpretation, "code": "DET"}]}
    row = only("observations", observation("93493-5", valueCodeableConcept=concept))
    assert (row["element"], row["value_code"]) == ("anti_hmgcr", "positive")
    unknown = {"coding": [{"system": interpretation, "code": "H"}]}
    assert refused(observation("93493-5", valueCodeableConcept=unknown))
    both = {"coding": [{"system": interpretation, "code": code} for code in ("POS", "NEG")]}
    assert "contradict" in refused(observation("93493-5", valueCodeableConcept=both))


def test_a_titre_as_a_ratio() -> None:
    said = {"numerator": {"value": 1}, "denominator": {"value": 320, "comparator": ">="}}
    row = only("observations", observation("8061-4", valueRatio=said))
    assert (row["element"], row["value_number"], row["comparator"], row["unit"]) == (
        "ana", "320", ">=", "{titer}",
    )  # fmt: skip
    assert refused(observation("8061-4", valueRatio={**said, "numerator": {"value": 2}}))


def test_values_of_another_type_than_the_element_has() -> None:
    assert "value_boolean" in refused(observation(valueBoolean=True))
    assert "is no unit of the element" in refused(
        observation("68962001", SNOMED, valueQuantity=quantity(1, "1"))
    )


def test_unknown_sex_and_an_unknown_gender_code() -> None:
    (row,) = (
        from_fhir([{**PATIENT, "gender": "unknown"}], site="oslo_no").tables["patients"].to_pylist()
    )
    assert (row["sex"], row["sex_missing"]) == (None, "unknown")
    cohort = from_fhir([{**PATIENT, "gender": "weiblich"}], site="oslo_no")
    assert cohort.tables["patients"]["sex"].to_pylist() == [None]
    assert [issue.column for issue in cohort.issues] == ["gender"]


@pytest.mark.parametrize(
    "said",
    [
        {"active": False},
        {"link": [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]},
        {"deceasedBoolean": True, "deceasedDateTime": "2020"},
        {"birthDate": "1950", "_birthDate": absent("unknown")},
    ],
)  # fmt: skip
def test_patients_that_are_refused(said: Resource) -> None:
    cohort = from_fhir([{**PATIENT, **said}], site="oslo_no")
    assert cohort.tables["patients"].num_rows == 0
    assert [issue.rule for issue in cohort.issues] == ["resource-refused"]


def test_patients_need_a_site() -> None:
    cohort = from_fhir([PATIENT, observation(valueQuantity=quantity(500, "U/L"))])
    assert [issue.message.split(":")[0] for issue in cohort.issues] == [
        "Patient refused",
        "Observation refused",
    ]
    assert "--site" in cohort.issues[0].message


# --- Drugs, diseases, procedures


def test_a_drug_by_its_code_alone() -> None:
    row = only("medications", statement(**drug("C10AA05"), effectivePeriod={"start": "2018"}))
    assert row == {
        "element": "statin", "n": "m1", "value_code": "atorvastatin", "status": "active",
        "start_date": "2018",
    }  # fmt: skip
    row = only("medications", statement(**drug("H02AB07", "http://fhir.de/CodeSystem/bfarm/atc")))
    assert (row["element"], row["value_code"]) == ("immunosuppressant", "prednisone")
    assert "no element" in refused(statement(**drug("A02BC01")))


def test_a_drug_in_a_contained_and_in_another_resource() -> None:
    code = {"coding": [{"system": ATC, "code": "C10AA05"}]}
    medication = {"resourceType": "Medication", "id": "x", "code": code}
    contained = statement(contained=[medication], medicationReference={"reference": "#x"})
    assert only("medications", contained)["value_code"] == "atorvastatin"
    apart = statement(medicationReference={"reference": "Medication/x"})
    for order in ([apart, medication], [medication, apart]):
        assert rows(read(*order), "medications")[0]["value_code"] == "atorvastatin"
    formed = statement(
        contained=[{**medication, "form": {"text": "tablet"}}],
        medicationReference={"reference": "#x"},
    )
    assert unread(formed) == ["MedicationStatement.contained[].form.text: 1 times, not read"]
    wrong = {**medication, "status": "entered-in-error"}
    assert refused(statement(contained=[wrong], medicationReference={"reference": "#x"}))
    assert refused(apart)


def test_doses_in_spellings_and_several_dosages() -> None:
    dose = {"rateQuantity": {"value": 20, "unit": "mg/day"}}
    said = statement(**drug("H02AB07"), dosage=[{"doseAndRate": [dose]}, {"text": "later less"}])
    cohort = read(said)
    (row,) = rows(cohort, "medications")
    assert (row["rate_number"], row["rate_unit"]) == ("20", "mg/d")
    assert [issue.column for issue in cohort.issues] == ["dosage[].text"]


@pytest.mark.parametrize("dose", [{"value": 2, "unit": "tablets"}, {"value": 2}, quantity(1, "L")])
def test_an_odd_dose_is_listed_and_the_drug_is_read(dose: Resource) -> None:
    said = statement(**drug("H02AB07"), dosage=[{"doseAndRate": [{"doseQuantity": dose}]}])
    cohort = read(said)
    (row,) = rows(cohort, "medications")
    assert (row["value_code"], row.get("dose_number")) == ("prednisone", None)
    assert [issue.column for issue in cohort.issues] == ["dosage[].doseAndRate[].doseQuantity"]


@pytest.mark.parametrize("status", ["entered-in-error", "intended", None])
def test_a_drug_that_was_not_taken_for_sure_is_no_data(status: str | None) -> None:
    assert "status" in refused(statement(**drug("C10AA05")) | {"status": status})


def test_what_did_not_happen_is_an_answer() -> None:
    not_taken = statement(**drug("C10AA")) | {"status": "not-taken"}
    row = only("observations", not_taken)
    assert row["element"] == "statin_exposure"
    assert row["value_boolean"] is False
    not_done = {
        "resourceType": "Procedure", "id": "pr1", "status": "not-done", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "https://imnm-fhir.github.io/fhir/CodeSystem/element", "code": "biopsy"}]},
    }  # fmt: skip
    row = only("observations", not_done)
    assert (row["element"], row["value_boolean"]) == ("biopsy_done", False)
    refuted = condition("715863001", verificationStatus=verification("refuted"))
    row = only("observations", refuted)
    assert (row["element"], row["value_boolean"]) == ("imnm_present", False)


def test_to_deny_one_drug_is_an_answer_only_where_no_other_was_taken() -> None:
    not_taken = statement(**drug("C10AA05")) | {"status": "not-taken"}
    cohort = read(not_taken)
    (row,) = rows(cohort, "observations")
    assert (row["element"], row["value_boolean"], row["value_text"]) == (
        "statin_exposure",
        False,
        "atorvastatin",
    )
    assert [issue.rule for issue in cohort.issues] == ["answer-of-one"]
    taken = statement(**drug("C10AA01")) | {"id": "m2"}
    cohort = read(not_taken, taken)
    assert rows(cohort, "observations") == []
    assert [row["value_code"] for row in rows(cohort, "medications")] == ["simvastatin"]
    assert [issue.rule for issue in cohort.issues] == ["resource-refused"]


def verification(*codes: str) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {"coding": [{"system": system, "code": code} for code in codes]}


@pytest.mark.parametrize(
    "codes",
    [
        ["unconfirmed"],
        ["provisional"],
        ["entered-in-error"],
        ["confirmed", "refuted"],
        ["refuted", "confirmed"],
    ],
)
def test_a_disease_that_is_not_confirmed_is_no_data(codes: list[str]) -> None:
    assert refused(condition("715863001", verificationStatus=verification(*codes)))


def test_a_disease_by_its_code_alone() -> None:
    row = only("conditions", condition("715863001", onsetDateTime="2019-01-01T08:00:00Z"))
    assert row == {"element": "imnm", "n": "c1", "value_code": "imnm", "onset_date": "2019-01-01"}


def test_performed_date_of_a_procedure() -> None:
    said = {
        "resourceType": "Procedure", "id": "pr1", "status": "completed", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": SNOMED, "code": "20720000"}]}, "performedDateTime": "2019-03-04T10:00:00Z",
    }  # fmt: skip
    assert only("procedures", said) == {
        "element": "plasma_exchange",
        "n": "pr1",
        "date": "2019-03-04",
    }


# --- References and identity


@pytest.mark.parametrize(
    "reference",
    ["Patient/p1", "http://server.example/fhir/Patient/p1", "Patient/p1/_history/3", "urn:uuid:p1"],
)
def test_references_to_a_patient(reference: str) -> None:
    said = observation(valueQuantity=quantity(500, "U/L"), subject={"reference": reference})
    assert only("observations", said) == CK


def test_resources_of_a_bundle_without_ids() -> None:
    uuid = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    patient = {key: value for key, value in PATIENT.items() if key != "id"}
    fact = observation(valueQuantity=quantity(500, "U/L"), subject={"reference": uuid})
    del fact["id"]
    located = [
        Located(fact, "b.json", 1, full_url="urn:uuid:0b6f0a20-0000-4ff8-8a92-55ee120877b7"),
        Located(patient, "b.json", 2, full_url=uuid),
    ]
    cohort = from_fhir(located, site="oslo_no")
    assert cohort.issues == ()
    assert cohort.tables["patients"]["patient"].to_pylist() == [uuid.removeprefix("urn:uuid:")]
    assert cohort.tables["observations"]["value_number"].to_pylist() == ["500"]


def test_the_same_resource_twice_and_a_contradiction() -> None:
    said = observation(valueQuantity=quantity(500, "U/L"))
    cohort = read(said, said)
    assert (len(rows(cohort, "observations")), cohort.manifest["imported"]["repeated"]) == (1, 1)
    other = observation(valueQuantity=quantity(600, "U/L"))
    cohort = read(said, other)
    assert rows(cohort, "observations") == []
    assert [issue.rule for issue in cohort.issues] == ["resource-refused"] * 2
    patients = from_fhir([PATIENT, {**PATIENT, "gender": "male"}], site="oslo_no")
    assert patients.tables["patients"].num_rows == 0
    assert len(patients.issues) == 2


def test_what_is_never_read_is_counted() -> None:
    cohort = read(
        {"resourceType": "Encounter", "id": "e"}, {"resourceType": "Encounter", "id": "f"}
    )
    assert [issue.message for issue in cohort.issues] == [
        "Encounter: 2 resources of a kind that is not read"
    ]
    assert cohort.manifest["imported"] == {
        "resources": 3, "sites": 0, "rows": 1, "repeated": 0, "refused": 0, "not_read": {"Encounter": 2},
    }  # fmt: skip
