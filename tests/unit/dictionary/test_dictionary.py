"""The dictionary: complete, consistent, and strict about its own files."""

import csv
import re
import tomllib
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from imnm_fhir.dictionary import (
    TABLES,
    Code,
    Dictionary,
    Element,
    ValueSet,
    fold_header,
    header_names,
    load_dictionary,
    read_dictionary,
)
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.terminology import Coding, load_codes, load_project, mappings
from imnm_fhir.units import is_ucum
from imnm_fhir.values import MISSING_REASONS, fold

DICTIONARY = load_dictionary()
ELEMENTS = list(DICTIONARY.elements.values())
CODES = [
    pytest.param(value_set, code, id=f"{name}.{code.key}")
    for name, value_set in DICTIONARY.value_sets.items()
    for code in value_set.codes.values()
]
each_element = pytest.mark.parametrize("element", ELEMENTS, ids=lambda each: each.name)

# Domain 4g, "v1 MUST", row by row, with what the site itself reports.
MUST = {
    "identity": "sex birth_date",
    "course": "imnm onset_class_reported last_contact deceased",
    "exposure": "statin_exposure statin",
    "clinic": """proximal_weakness weakness_predominance weakness_symmetrical worst_mrc
        severe_weakness_reported myalgia dysphagia neck_weakness extramuscular extramuscular_disease""",
    "serology": """anti_hmgcr anti_srp anti_jo1 anti_pl7 anti_pl12 anti_ej anti_oj anti_mi2 anti_mda5
        anti_tif1g anti_nxp2 anti_sae anti_ro52 ana serogroup_reported""",
    "enzymes": "ck",
    "examinations": """emg emg_done emg_myopathic emg_spontaneous_activity emg_myotonic_discharges
        emg_myotonia_muscle mri mri_done mri_oedema mri_fatty_replacement biopsy biopsy_done
        biopsy_necrosis_regeneration biopsy_lymphocytic_infiltrate biopsy_macrophagic_infiltrate
        biopsy_hla1 biopsy_mac""",
    "treatment": """immunosuppressant immunosuppressant_exposure strategy_reported plasma_exchange
        plasma_exchange_done""",
    "outcome": "visit_date response subjective_change mrs",
    "events": "relapse cancer cancer_diagnosis cancer_associated_reported",
    "governance": "consent_reuse consent_valid_from consent_valid_to consent_scope legal_basis",
    "reported": "age_at_onset_reported age_at_diagnosis_reported enmc_class_reported",
}

# Every column of madrid16.csv: element and column of the table, time point and drug where fixed.
MADRID = {
    "Patient ID": "patient",
    "Centre": "site",
    "Sex": "sex.sex",
    "Date of birth": "birth_date.birth_date",
    "Age at symptom onset": "age_at_onset_reported.value_number",
    "Date of symptom onset": "imnm.onset_date",
    "Date of diagnosis": "imnm.date",
    "Family history of hereditary myopathy": "family_history_myopathy.value_boolean",
    "Comorbidities": "comorbidity.value_code",
    "Statin before onset": "statin_exposure.value_boolean",
    "Statin name": "statin.value_code",
    "Statin start date": "statin.start_date",
    "Statin stop date": "statin.end_date",
    "Proximal weakness": "proximal_weakness.value_boolean",
    "Worst MRC at diagnosis": "worst_mrc.value_number",
    "Weakness symmetrical": "weakness_symmetrical.value_boolean",
    "Weakness predominance": "weakness_predominance.value_code",
    "Myalgia": "myalgia.value_boolean",
    "Dysphagia": "dysphagia.value_boolean",
    "Neck weakness": "neck_weakness.value_boolean",
    "Extra-muscular disease": "extramuscular_disease.value_code",
    "CK at diagnosis (IU/L)": "ck.value_number",
    "Date CK at diagnosis": "ck.date",
    "ANA": "ana.value_code",
    "Anti-Jo-1": "anti_jo1.value_code",
    "Anti-PL-7": "anti_pl7.value_code",
    "Anti-PL-12": "anti_pl12.value_code",
    "Anti-EJ": "anti_ej.value_code",
    "Anti-SRP": "anti_srp.value_code",
    "Anti-Mi-2": "anti_mi2.value_code",
    "Anti-MDA5": "anti_mda5.value_code",
    "Anti-TIF1-gamma": "anti_tif1g.value_code",
    "Anti-HMGCR": "anti_hmgcr.value_code",
    "Anti-Ro52": "anti_ro52.value_code",
    "Anti-SAE1/2": "anti_sae.value_code",
    "Anti-NXP2": "anti_nxp2.value_code",
    "EMG date": "emg.date",
    "EMG myopathic MUPs": "emg_myopathic.value_boolean",
    "EMG spontaneous activity": "emg_spontaneous_activity.value_boolean",
    "EMG myotonic discharges": "emg_myotonic_discharges.value_boolean",
    "EMG myotonia muscles": "emg_myotonia_muscle.value_text",
    "Muscle MRI done": "mri_done.value_boolean",
    "Muscle MRI oedema": "mri_oedema.value_boolean",
    "Muscle MRI fatty replacement": "mri_fatty_replacement.value_boolean",
    "Biopsy date": "biopsy.date",
    "Biopsy necrotic/regenerating fibres": "biopsy_necrosis_regeneration.value_boolean",
    "Biopsy lymphocytic infiltrate": "biopsy_lymphocytic_infiltrate.value_boolean",
    "Biopsy macrophagic infiltrate": "biopsy_macrophagic_infiltrate.value_boolean",
    "Biopsy HLA-I": "biopsy_hla1.value_code",
    "Prednisone start": "immunosuppressant.start_date prednisone",
    "Prednisone dose (mg/kg/day)": "immunosuppressant.rate_number prednisone",
    "Methotrexate start": "immunosuppressant.start_date methotrexate",
    "IVIG start": "immunosuppressant.start_date ivig",
    "Azathioprine start": "immunosuppressant.start_date azathioprine",
    "Mycophenolate start": "immunosuppressant.start_date mycophenolate_mofetil",
    "Mycophenolate stop": "immunosuppressant.end_date mycophenolate_mofetil",
    "Plasma exchange start": "plasma_exchange.date",
    "Plasma exchange sessions": "plasma_exchange.sessions",
    "Rituximab start": "immunosuppressant.start_date rituximab",
    "Date of 6-month visit": "visit_date.value_date month_6",
    "CK at 6 months (IU/L)": "ck.value_number month_6",
    "Worst MRC at 6 months": "worst_mrc.value_number month_6",
    "Patient-reported change at 6 months": "subjective_change.value_code month_6",
    "Response at 6 months": "response.value_code month_6",
    "mRS at 6 months": "mrs.value_number month_6",
    "Relapse": "relapse.value_boolean",
    "Date of relapse": "relapse.date",
    "Cancer": "cancer.value_boolean",
    "Cancer type": "cancer_diagnosis.value_code",
    "Date of cancer diagnosis": "cancer_diagnosis.date",
    "Died": "deceased.deceased_boolean",
    "Date of death": "deceased.deceased_date",
    "Date of last contact": "last_contact.value_date",
}


def madrid_header() -> list[str]:
    text = (files("imnm_fhir") / "demo_data" / "madrid" / "madrid16.csv").read_text("utf-8")
    return next(csv.reader(text.splitlines()))


@each_element
def test_element_is_complete(element: Element) -> None:
    own = element.codings[-1]
    assert own == Coding(
        load_project().local("CodeSystem", "element"),
        element.name.replace("_", "-"),
        element.labels["en"],
    )
    assert set(element.labels) == set(load_project().languages)
    assert len(element.definition) > 5
    assert re.match(r"domain \d", element.source or "")
    assert element.table in TABLES
    assert element.column in DICTIONARY.tables[element.table].columns
    assert {(each.system, each.code) for each in element.codings} <= element.accepted


@each_element
def test_element_writes_verified_codes_with_their_display(element: Element) -> None:
    for coding in element.codings[:-1]:
        assert load_codes()[coding.system, coding.code] == coding.display
    for system, code in element.accepted - {(element.codings[-1].system, element.codings[-1].code)}:
        assert (system, code) in load_codes()


@each_element
def test_element_has_what_its_type_needs(element: Element) -> None:
    assert (element.type == "number") <= (element.unit is not None)
    assert (element.type == "number") <= (element.range is not None)
    assert all(is_ucum(unit) for unit in (element.unit, *element.units) if unit)
    assert (element.table in ("medications", "conditions", "procedures")) == (
        element.type == "event"
    )
    if element.type == "event":
        answer = DICTIONARY.element(element.attributes["answer"])
        assert (answer.table, answer.type) == ("observations", "boolean")
    assert element.name.endswith("_reported") == element.reported


@pytest.mark.parametrize(("value_set", "code"), CODES)
def test_value_is_complete(value_set: ValueSet, code: Code) -> None:
    assert set(code.labels) == set(load_project().languages)
    assert code.definition
    own = (load_project().local("CodeSystem", value_set.name), code.key.replace("_", "-"))
    last = code.codings[-1]
    assert ((last.system, last.code) == own) == value_set.local
    public = code.codings[:-1] if value_set.local or value_set.system else code.codings
    assert all(load_codes()[each.system, each.code] == each.display for each in public)


@pytest.mark.parametrize("group", MUST)
def test_every_field_that_a_registry_must_have_is_an_element(group: str) -> None:
    assert [name for name in MUST[group].split() if name not in DICTIONARY.elements] == []


def test_every_column_of_the_madrid_file_is_covered() -> None:
    assert list(MADRID) == madrid_header()
    assert len(MADRID) == 73
    for header, target in MADRID.items():
        place, *fixed = target.split()
        if "." not in place:
            assert all(place in table.key for table in DICTIONARY.tables.values()), header
            continue
        name, column = place.split(".")
        assert column in DICTIONARY.tables[DICTIONARY.element(name).table].columns
        known = {*DICTIONARY.value_sets["time_point"].codes, *DICTIONARY.value_sets["drug"].codes}
        assert set(fixed) <= known


def test_headers_of_the_madrid_file_are_synonyms_unless_they_name_a_unit_drug_or_visit() -> None:
    plain = {h: t for h, t in MADRID.items() if "." in t and " " not in t and "(" not in h}
    found = {header: DICTIONARY.headers.get(fold_header(header)) for header in plain}
    assert found == {header: tuple(target.split(".")) for header, target in plain.items()}
    assert len(found) > 50


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("F. nacimiento", ("birth_date", "birth_date")),
        ("fecha_DX", ("imnm", "date")),
        ("Fecha inicio sintomas", ("imnm", "onset_date")),
        ("Symptombeginn", ("imnm", "onset_date")),
        ("Diagnosedatum", ("imnm", "date")),
        ("Date du diagnostic", ("imnm", "date")),
        ("Data diagnosi", ("imnm", "date")),
        ("診断日", ("imnm", "date")),
        ("CPK basal", ("ck", "value_number")),
        ("クレアチンキナーゼ", ("ck", "value_number")),
        ("Anti-TIF1γ", ("anti_tif1g", "value_code")),
        ("anti p155/140", ("anti_tif1g", "value_code")),
        ("Éxitus", ("deceased", "deceased_boolean")),
        ("EXITUS", ("deceased", "deceased_boolean")),
        ("Todesdatum", ("deceased", "deceased_date")),
    ],
)
def test_headers_fold_case_accents_spaces_and_punctuation(
    header: str, target: tuple[str, str]
) -> None:
    assert DICTIONARY.headers[fold_header(header)] == target


@pytest.mark.parametrize("header", ["CK-MB", "Name", "Comentarios", "CK2", "Anti-", ""])
def test_headers_that_mean_nothing_known_are_not_matched(header: str) -> None:
    assert fold_header(header) not in DICTIONARY.headers


def test_a_header_belongs_to_one_place() -> None:
    folded = [fold_header(header) for _, _, header in header_names(ELEMENTS)]
    places = {
        (fold_header(header), name, column) for name, column, header in header_names(ELEMENTS)
    }
    assert "" not in folded
    assert len(places) == len(set(folded))


def test_a_code_means_one_element_of_a_table() -> None:
    assert [place for place, names in DICTIONARY.elements_by_code.items() if len(names) > 1] == []
    assert DICTIONARY.elements_by_code["observations", "http://loinc.org", "2157-6"] == ("ck",)


def test_codes_that_were_superseded_are_read_and_never_written() -> None:
    text = (mappings() / "terminology" / "codes.csv").read_text("utf-8")
    old = [r for r in csv.DictReader(text.splitlines()) if r["note"].startswith("SUPERSEDED")]
    drugs = DICTIONARY.value_sets["drug"]
    written = {(c.system, c.code) for each in drugs.codes.values() for c in each.codings}
    assert len(old) >= 7
    for row in old:
        pair = (row["system"], row["code"])
        assert pair not in written
        assert drugs.keys_by_code[pair] == row["concept"]


def test_a_word_of_a_value_set_means_one_value() -> None:
    for value_set in DICTIONARY.value_sets.values():
        words = [
            (fold(word), key)
            for key, code in value_set.codes.items()
            for word in {*code.labels.values(), *code.attributes.get("names", ())}
        ]
        assert len({word for word, _ in words}) == len(set(words)), value_set.name


def test_missing_reasons_are_those_of_the_words_and_of_fhir() -> None:
    reasons = DICTIONARY.value_sets["missing_reason"]
    assert set(reasons.codes) == set(MISSING_REASONS)
    assert all(code.codings[0].code == key for key, code in reasons.codes.items())


def test_keys_of_required_bindings_are_the_codes_of_fhir() -> None:
    for name in ("comparator", "medication_status", "sex"):
        codes = DICTIONARY.value_sets[name].codes
        assert {key: code.codings[0].code for key, code in codes.items()} == {k: k for k in codes}
    assert set(DICTIONARY.value_sets["comparator"].codes) == {"<", "<=", ">", ">="}


def test_drugs_are_grouped_and_written_by_atc_first() -> None:
    drugs = DICTIONARY.value_sets["drug"]
    taken = {g for e in ELEMENTS if e.table == "medications" for g in e.attributes["takes"]}
    assert {code.attributes["group"] for code in drugs.codes.values()} == taken
    atc = load_project().system("atc")
    assert [k for k, c in drugs.codes.items() if c.codings[0].system != atc] == [
        "mycophenolate_sodium"  # the ATC code of the acid is read as the mofetil
    ]


def test_combination_products_expose_to_their_statin() -> None:
    drugs = DICTIONARY.value_sets["drug"]
    combined = {k: c.attributes["ingredients"] for k, c in drugs.codes.items() if "_" in k and
                "ingredients" in c.attributes}  # fmt: skip
    statins = drugs.members(group="statin")
    assert combined["simvastatin_ezetimibe"] == ["simvastatin", "ezetimibe"]
    assert all(parts[0] in statins and key in statins for key, parts in combined.items())


def test_diseases_are_grouped() -> None:
    diseases = DICTIONARY.value_sets["disease"]
    taken = {g for e in ELEMENTS if e.table == "conditions" for g in e.attributes["takes"]}
    assert {code.attributes["group"] for code in diseases.codes.values()} == taken
    assert diseases.members(group="imnm") == ("imnm",)
    assert [c.system for c in diseases.codes["imnm"].codings[:2]] == [
        "http://www.orpha.net",
        "http://snomed.info/sct",
    ]
    assert "basal_cell_carcinoma" in diseases.members(group="skin_cancer_excluded")


def test_antibodies_are_grouped() -> None:
    msa, maa = DICTIONARY.of_group("msa"), DICTIONARY.of_group("maa")
    assert len(msa) == 12
    assert "anti_ro52" in maa
    defining = [name for name in msa if DICTIONARY.element(name).attributes.get("imnm")]
    assert defining == ["anti_hmgcr", "anti_srp"]
    assert {DICTIONARY.element(name).value_set for name in (*msa, *maa)} == {"antibody_result"}


@pytest.mark.parametrize("group", ["biopsy", "emg", "mri"])
def test_findings_name_the_answer_that_says_whether_the_examination_was_done(group: str) -> None:
    for name in DICTIONARY.of_group(group):
        assert DICTIONARY.element(name).attributes["answer"] == f"{group}_done"


def test_an_unknown_element_is_named_with_near_ones() -> None:
    with pytest.raises(ImnmFhirError, match="no element is called 'anti_hmgr'; near: anti_hmgcr"):
        DICTIONARY.element("anti_hmgr")


# --- faults -----------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A writable copy of the installed dictionary."""
    with as_file(mappings() / "dictionary") as folder:
        for path in folder.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(Problems) as caught:
        read_dictionary(folder)
    return caught.value.problems


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


PLANTED = [
    ("observations.toml", 'unit = "kg"', 'unit = "kilo"', "weight: unit 'kilo' is not UCUM"),
    ("observations.toml", 'unit = "kg"\n', "", "weight: a number needs a unit"),
    ("observations.toml", '"loinc:2157-6"', '"loinc:2157-7"', "ck: code 'loinc:2157-7' is not in"),
    ("observations.toml", '"loinc:2157-6"', '"loink:2157-6"', "ck: project.toml: no system"),
    ("observations.toml", '"loinc:2157-6"', '"loinc:2532-0"', "shares code 2532-0 with ck"),
    ("observations.toml", 'key = "date"', 'key = "day"', "worst_mrc: key 'day' is not date"),
    ("observations.toml", "enzyme = true", "enzime = true", "ck: key 'enzime' is not known"),
    ("observations.toml", "max = 200000", "max = -1", "ck: range from 0 to -1"),
    ("observations.toml", 'mark = "R53"', 'mark = "me"', "worst_mrc: range has the mark 'me'"),
    ("observations.toml", ', de = "Dysphagie"', "", "dysphagia: no label in de"),
    ("observations.toml", '"CPK basal"', '"Sexo"', "ck: header 'Sexo' is that of sex.sex too"),
    ("observations.toml", 'names = ["HAQ", "HAQ-DI"]', 'names = "HAQ"', "haq: names is of the"),
    ("observations.toml", 'answer = "mri_done"', 'answer = "mrt"', "mri_oedema: answer 'mrt'"),
    ("observations.toml", 'value_set = "response"', 'value_set = "x"', "no value set is called"),
    ("observations.toml", 'value_set = "response"\n', "", "response: a coded element needs"),
    ("observations.toml", 'category = "therapy"', 'category = "drug"', "category 'drug' is no"),
    ("observations.toml", "[ck]", "[sex]", "sex: is also in patients.toml"),
    ("observations.toml", "[consent_reuse]", "x = 1\n[consent_reuse]", "x: is no section of its"),
    ("patients.toml", 'type = "date"', 'type = "day"', "birth_date: type 'day' is none of"),
    ("patients.toml", 'type = "date"\n', "", "birth_date: lacks 'type'"),
    (
        "conditions.toml",
        "columns.onset_date",
        "columns.begin",
        "imnm: conditions has no column 'begin'",
    ),
    ("medications.toml", '["statin"]', '["statins"]', "statin: takes 'statins', a group that"),
    ("value_sets.toml", '"atc:C10AA01"', '"atc:C10AA05"', "simvastatin: shares code C10AA05"),
    ("value_sets.toml", '"atc:C10AA01"', '"atc:X"', "drug.codes.simvastatin: code 'atc:X'"),
    ("value_sets.toml", 'codes = ["interpretation:POS"]\n', "", "positive: no code is written"),
    ("value_sets.toml", "local = false", "lokal = false", "missing_reason: key 'lokal'"),
    ("value_sets.toml", 'labels = { en = "less than"', 'labels = { en = ""', "no label in en"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), PLANTED)
def test_a_fault_is_reported_with_file_and_line(
    copy: Path, file: str, old: str, new: str, message: str
) -> None:
    path = copy / file
    path.write_text(replaced(old, new)(path.read_text("utf-8")), "utf-8")
    (fault,) = [each for each in faults_of(copy) if message in each]
    place = re.match(rf"{file}, line (\d+): ([^:]+): ", fault)
    assert place
    line = path.read_text("utf-8").splitlines()[int(place[1]) - 1]
    assert re.fullmatch(
        rf"\[{re.escape(place[2])}\]|{re.escape(place[2])} = .*", line.replace('"', "")
    )


def test_all_faults_of_all_files_are_reported_together(copy: Path) -> None:
    for file, old, new in (
        ("observations.toml", 'unit = "kg"', 'unit = "kilo"'),
        ("observations.toml", "enzyme = true", "enzime = true"),
        ("patients.toml", 'type = "date"', 'type = "day"'),
        ("value_sets.toml", '"atc:C10AA01"', '"atc:X"'),
    ):
        path = copy / file
        path.write_text(replaced(old, new)(path.read_text("utf-8")), "utf-8")
    said = "\n".join(faults_of(copy))
    for part in ("'kilo'", "'enzime'", "'day'", "'atc:X'"):
        assert part in said


def test_a_file_that_is_no_toml_is_a_fault(copy: Path) -> None:
    (copy / "procedures.toml").write_text("[biopsy\n", "utf-8")
    assert any(each.startswith("procedures.toml: ") for each in faults_of(copy))


def test_the_installed_files_hold_nothing_that_the_dictionary_leaves_out() -> None:
    for table in TABLES:
        raw = tomllib.loads((mappings() / "dictionary" / f"{table}.toml").read_text("utf-8"))
        assert list(raw) == list(DICTIONARY.of_table(table))
    raw = tomllib.loads((mappings() / "dictionary" / "value_sets.toml").read_text("utf-8"))
    assert {name: list(each["codes"]) for name, each in raw.items()} == {
        name: list(each.codes) for name, each in DICTIONARY.value_sets.items()
    }


def test_a_copy_reads_as_the_installed_dictionary(copy: Path) -> None:
    read = read_dictionary(copy)
    assert isinstance(read, Dictionary)
    assert read == DICTIONARY
