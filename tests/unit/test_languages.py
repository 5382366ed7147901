"""Sentences in other languages: catalogues that hold, languages that are dropped in, what is missing."""

from pathlib import Path

import pytest

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError, Problems, UsageError
from imnm_fhir.languages import (
    FOLDER,
    Translator,
    catalogue_faults,
    catalogues,
    counted,
    known_languages,
    label,
    lacking_lines,
    load_sentences,
    number_text,
    percent_sign,
    placeholders,
    read_catalogue,
    template,
    translatable,
    translate,
    with_sign,
)
from scripts.catalogues import declared_sentences, move_translations, sentences

OURS = sorted(catalogues(None))
DAYS = "More than {days} days lie between onset and diagnosis"
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


def entry(english: str, said: str) -> str:
    return f'msgid "{english}"\nmsgstr "{said}"\n\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own folder of catalogues."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("language", OURS)
def test_a_catalogue_holds(language: str) -> None:
    (file,) = catalogues(None)[language]
    catalogue = read_catalogue(file)
    assert list(catalogue_faults(catalogue)) == []
    assert [message.id for message in catalogue if message.fuzzy] == []
    headers = dict(catalogue.mime_headers)
    assert headers["Language"] == language
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "\r" not in file.read_text("utf-8")


@pytest.mark.parametrize("language", OURS)
def test_a_catalogue_has_every_sentence_and_no_other(language: str, repository: Path) -> None:
    said = {text for _, text in sentences(repository)}
    known = {str(each.id) for each in read_catalogue(catalogues(None)[language][0]) if each.id}
    assert said - load_sentences(language).keys() == set()
    assert known - said == set()


def test_the_file_to_translate_has_every_sentence_and_label(repository: Path) -> None:
    dictionary = load_dictionary()
    codes = [
        each for value_set in dictionary.value_sets.values() for each in value_set.codes.values()
    ]
    labels = {each.labels["en"] for each in codes}
    labels |= {each.labels["en"] for each in dictionary.elements.values()}
    known = {str(each.id) for each in read_catalogue(template()) if each.id}
    assert known == {text for _, text in sentences(repository)} | labels


@pytest.mark.parametrize("language", OURS)
def test_a_translation_begins_and_ends_as_its_sentence(language: str) -> None:
    """A question stays a question, and what is no sentence gets no full stop."""
    for english, said in load_sentences(language).items():
        assert (said[0] == " ", said[-1] == "\n") == (english[0] == " ", english[-1] == "\n"), (
            english
        )
        assert english.endswith("?") == said.endswith("?"), (english, said)
        assert english.endswith(".") == said.endswith("."), (english, said)


def test_a_sentence_is_said_with_its_fills() -> None:
    assert translate(DAYS, "en", days=90) == "More than 90 days lie between onset and diagnosis"
    assert translate(DAYS, "de", days=90).startswith("Zwischen Beginn und Diagnose liegen")
    assert "{" not in translate(DAYS, "de", days=90)


def test_what_is_missing_stays_english_and_is_counted() -> None:
    say = Translator("es")
    assert say("Nobody says this {n} times", n=3) == "Nobody says this 3 times"
    assert say("Check the year") == "Compruebe el año"
    assert say.untranslated == {"Nobody says this {n} times"}
    english = Translator("en")
    english("Nobody says this")
    assert english.untranslated == set()


def test_a_language_is_dropped_in(folder: Path) -> None:
    text = HEADER + entry("Check the year", "Verifique o ano")
    (folder / "pt.po").write_text(text, "utf-8")
    (folder / "notes.txt").write_text("not a catalogue")
    assert "pt" in known_languages()
    assert translate("Check the year", "pt") == "Verifique o ano"
    assert translate("Confirm both", "pt") == "Confirm both"


def test_a_users_catalogue_goes_before_ours(folder: Path) -> None:
    (folder / "es.po").write_text(HEADER + entry("Check the year", "Mire el año"), "utf-8")
    assert translate("Check the year", "es") == "Mire el año"
    assert translate("Confirm both", "es") == "Confirme ambos"


LABELS = {"en": "Aardvark count", "es": "Recuento de cerdos hormigueros"}


def test_a_label_is_the_dictionarys_else_the_catalogues_else_english(folder: Path) -> None:
    (folder / "pt.po").write_text(HEADER + entry("Aardvark count", "Contagem"), "utf-8")
    said = {language: label(LABELS, language) for language in ("en", "es", "pt", "de")}
    assert said["es"] == LABELS["es"]
    assert said["pt"] == "Contagem"
    assert said["en"] == said["de"] == "Aardvark count"
    speakers = {language: Translator(language) for language in said}
    assert {language: say.label(LABELS) for language, say in speakers.items()} == said
    assert [name for name, say in speakers.items() if say.untranslated] == ["de"]


@pytest.mark.parametrize(
    ("language", "text", "share"),
    [("en", "0.5", "%"), ("it", "0,5", "%"), ("fr", "0,5", "\u00a0%"), ("xx", "0.5", "%")],
)
def test_numbers_have_the_signs_of_their_language(language: str, text: str, share: str) -> None:
    assert number_text(0.5, language) == with_sign("0.5", language) == text
    assert percent_sign(language) == share
    assert with_sign("2019.03.04", language) == "2019.03.04"


def test_what_a_language_of_ones_own_lacks_is_counted(folder: Path) -> None:
    (folder / "pt.po").write_text(HEADER + entry("Check the year", "Verifique o ano"), "utf-8")
    (folder / "es.po").write_text(HEADER + entry("Check the year", "Mire el año"), "utf-8")
    lacking = len([each for each in read_catalogue(template()) if each.id]) - 1
    assert lacking_lines("pt") == [
        f"labels and sentences without a translation in 'pt', said in English: {lacking}"
    ]
    assert lacking_lines("es") == lacking_lines("en") == []


def test_counts_are_said_with_their_plural() -> None:
    assert [counted(n, "query", "queries") for n in (0, 1, 2)] == [
        "0 queries",
        "1 query",
        "2 queries",
    ]
    assert counted(1, "patient") == "1 patient"


def test_a_fuzzy_translation_is_not_said(folder: Path) -> None:
    (folder / "pt.po").write_text(HEADER + "#, fuzzy\n" + entry("Check the year", "x"), "utf-8")
    assert translate("Check the year", "pt") == "Check the year"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("{dias} dias", r"pt\.po, line 5: has \{dias\}, the English sentence \{days\}"),
        ("muitos dias", r"has no \{name\}, the English sentence \{days\}"),
        ("{days.__class__} dias", r"has \{days.__class__\}"),
        ("{days} dias {", "line 5: .*; write a brace that is meant as {{ or }}"),
    ],
)
def test_other_names_than_the_sentence_has_are_refused(folder: Path, said: str, fault: str) -> None:
    (folder / "pt.po").write_text(HEADER + entry(DAYS, said), "utf-8")
    with pytest.raises(Problems, match=fault):
        translate(DAYS, "pt", days=1)


def test_what_is_no_catalogue_is_refused(folder: Path) -> None:
    (folder / "pt.po").write_bytes(b"\x00\xff\xfe not one")
    with pytest.raises(ImnmFhirError, match=r"pt\.po: is no catalogue of sentences"):
        load_sentences("pt")


def test_a_folder_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, "/nowhere/at/all")
    with pytest.raises(ImnmFhirError, match=r"name one that holds \.po files"):
        known_languages()


def test_an_unknown_language_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no sentences in 'xx'; there are in en, "):
        translate("Check the year", "xx")


def test_placeholders_with_conversions_and_formats() -> None:
    assert placeholders("{b!r} {a:.1f} {{no}}") == ["a:.1f", "b!r"]


def test_every_sentence_of_the_program_is_found(repository: Path) -> None:
    found = dict.fromkeys(text for _, text in sentences(repository))
    assert translatable(DAYS) in found
    assert "Validation report" in found


def test_declared_sentences_are_found_at_any_depth() -> None:
    declared = {"K": {"sentence": "a", "source": "x", "parts": {"p": {"question": "b?"}}}}
    assert list(declared_sentences({**declared, "words": {"title": "c"}})) == ["a", "b?", "c"]


def test_translations_beside_a_sentence_are_moved(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[K]\nsentence = { en = "a \\"b\\"", es = "c" }\nsource = "P"\n', "utf-8")
    assert move_translations(file) == {"es": {'a "b"': "c"}}
    assert file.read_text("utf-8") == '[K]\nsentence = "a \\"b\\""\nsource = "P"\n'
    assert move_translations(file) == {}


def test_a_sentence_that_was_filled_in_before_is_found_by_its_template(folder: Path) -> None:
    text = "the same patient stands in {others} with other values; both are refused: keep one"
    own = entry(text, "el mismo paciente está en {others} con otros valores")
    (folder / "es.po").write_text(HEADER + own, "utf-8")
    said = translate(text.format(others="row 3 of a.csv"), "es")
    assert said == "el mismo paciente está en fila 3 de a.csv con otros valores"
    translator = Translator("es")
    assert translator(text.format(others="row 4")).endswith("fila 4 con otros valores")
    assert translator.untranslated == set()
    several = text.format(others="row 3, row 5 of a.xlsx, sheet 2019, x, row 7 of b.csv")
    assert translate(several, "es") == (
        "el mismo paciente está en fila 3, fila 5 de a.xlsx, hoja 2019, x, fila 7 de b.csv con otros valores"
    )
    assert translate("a sentence that nobody wrote", "es") == "a sentence that nobody wrote"
