"""Words for drugs: what sites write, and what must not be guessed."""

from pathlib import Path

import pytest

from imnm_fhir.dictionary import drugs, load_dictionary
from imnm_fhir.dictionary.drugs import drug_words, procedure_words
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.values import Unreadable, fold, read_word
from imnm_fhir.values.words import fold_words, read_synonyms

# Domain 5, traps 28 to 33: every brand that is not marked [V], and the abbreviations.
BRANDS = {
    "atorvastatin": "Cardyl Prevencor Zarator Sortis Lipitor",
    "simvastatin": "Zocor Zocord",
    "rosuvastatin": "Crestor",
    "pravastatin": "Pravachol",
    "fluvastatin": "Lescol",
    "lovastatin": "Mevacor",
    "azathioprine": "Imurel Imurek Azafor Immunoprin Imuran Azanin",
    "mycophenolate_mofetil": "CellCept Myfenax Micofenolato Mycophenolat",
    "mycophenolate_sodium": "Myfortic",
    "prednisone": "Dacortín Decortin Cortancyl Deltacortene",
    "prednisolone": "プレドニン",
}
ABBREVIATIONS = {
    "prednisone": "PDN",
    "methotrexate": "MTX",
    "azathioprine": "AZA",
    "mycophenolate_mofetil": "MMF",
    "rituximab": "RTX",
    "cyclophosphamide": "CYC",
    "ivig": "IVIG IgIV IGIV IVIg",
    "ciclosporin": "CsA",
    "tacrolimus": "TAC",
}
WORDS = [
    (word, drug)
    for table in (BRANDS, ABBREVIATIONS)
    for drug, words in table.items()
    for word in words.split()
]


@pytest.mark.parametrize(("word", "drug"), WORDS)
def test_brands_and_abbreviations(word: str, drug: str) -> None:
    assert read_word(word, drug_words()) == drug


@pytest.mark.parametrize(
    ("word", "drug"),
    [
        ("atorvastatina", "atorvastatin"),
        ("ATORVASTATINE", "atorvastatin"),
        ("Prednisolon", "prednisolone"),
        ("prednisolone", "prednisolone"),
        ("Prednison", "prednisone"),
        ("metilprednisolone", "methylprednisolone"),
        ("Metotrexato", "methotrexate"),
        ("metotressato", "methotrexate"),
        ("methotrexate", "methotrexate"),
        ("Azathioprin", "azathioprine"),
        ("azatioprina", "azathioprine"),
        ("mycophenolate mofetil", "mycophenolate_mofetil"),
        ("cyclosporine", "ciclosporin"),
        ("Inmunoglobulinas intravenosas", "ivig"),
        ("Simvastatina/Ezetimiba", "simvastatin_ezetimibe"),
        ("simvastatin + ezetimibe", "simvastatin_ezetimibe"),
        ("dacortin", "prednisone"),
    ],
)
def test_international_names_in_five_languages(word: str, drug: str) -> None:
    assert read_word(word, drug_words()) == drug


@pytest.mark.parametrize(
    ("word", "drug"),
    [
        ("Torvast", "atorvastatin"), ("Totalip", "atorvastatin"), ("Tahor", "atorvastatin"),
        ("Sinvacor", "simvastatin"), ("Medrol", "methylprednisolone"), ("Privigen", "ivig"),
        ("Statina", "statin_unspecified"), ("corticosteroïden", "glucocorticoid_unspecified"),
    ],
)  # fmt: skip
def test_brands_and_words_of_italy_france_and_the_netherlands(word: str, drug: str) -> None:
    assert read_word(word, drug_words()) == drug


# Brands marked [V] (to be checked against a national register first), and what is ambiguous.
@pytest.mark.parametrize("word", ["リピトール", "PRED", "MP", "Prednis", "PEX", "PLEX", ""])
def test_a_word_that_is_not_sure_is_no_drug(word: str) -> None:
    with pytest.raises(Unreadable):
        read_word(word, drug_words())


@pytest.mark.parametrize("word", ["PEX", "PLEX", "TPE", "RPM", "Plasmapherese", "plasmaféresis"])
def test_plasma_exchange_is_a_procedure(word: str) -> None:
    assert read_word(word, procedure_words()) == "plasma_exchange"


def test_every_drug_has_a_word_in_each_language() -> None:
    words = fold_words(drug_words())
    for key, code in load_dictionary().value_sets["drug"].codes.items():
        assert {words[fold(label)] for label in code.labels.values()} == {key}


def test_every_brand_names_its_source() -> None:
    for line, row in read_synonyms("brands.csv"):
        assert row["source"].startswith("R"), line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Sortix,en,atorvastatine,", "drugs.csv, line 2: 'atorvastatine' is no drug"),
        ("PEXX,,,plasma", "drugs.csv, line 2: 'plasma' is no procedure"),
        ("PDN,,prednisone,plasma_exchange", "line 2: name either a drug or a procedure"),
        ("PDN,,,", "line 2: name either a drug or a procedure"),
        ("PDN,,prednisone,\nPDN,,prednisolone,", "line 3: 'PDN' means 'prednisone' in an earlier"),
    ],
)
def test_a_wrong_line_is_named(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "synonyms").mkdir()
    for name, header in (("drugs", "word,language,drug,procedure"), ("brands", "brand,drug")):
        text = f"{header}\n{line if name == 'drugs' else ''}\n"
        (tmp_path / "synonyms" / f"{name}.csv").write_text(text, "utf-8")
    monkeypatch.setattr("imnm_fhir.values.words.mappings", lambda: tmp_path)
    with pytest.raises(Problems) as caught:
        drugs.drug_words.__wrapped__()
        drugs.procedure_words.__wrapped__()
    assert message in str(caught.value)


def test_two_words_that_read_the_same_may_not_mean_two_drugs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "synonyms").mkdir()
    (tmp_path / "synonyms" / "drugs.csv").write_text("word,language,drug,procedure\n", "utf-8")
    (tmp_path / "synonyms" / "brands.csv").write_text("brand,drug\nPREDNISON,prednisolone\n")
    monkeypatch.setattr("imnm_fhir.values.words.mappings", lambda: tmp_path)
    with pytest.raises(ImnmFhirError, match="rednison"):
        drugs.drug_words.__wrapped__()
