"""Words for drugs: international names, brands and abbreviations, each standing for one drug.

International names in the dictionary's languages are its labels; those of further languages,
abbreviations and brands stand in `mappings/synonyms/drugs.csv` and `brands.csv`. A word is looked
up exactly (case, accents and spaces apart), never nearly.
"""

from collections.abc import Container, Iterator
from functools import cache

from imnm_fhir.dictionary.declarations import Code
from imnm_fhir.dictionary.load import load_dictionary
from imnm_fhir.errors import Problems
from imnm_fhir.values.words import fold_words, read_synonyms

JOINED = ("+", "/", " / ", "-")  # how sites write the + of a combination product


@cache
def drug_words() -> dict[str, str]:
    """Key of the value set `drug` by written word: labels, names, abbreviations and brands.

    Raises `ImnmFhirError` with every line of the files that means no known drug, or where two words
    that read the same mean different drugs.
    """
    drugs = load_dictionary().value_sets["drug"].codes
    labels = {word: key for key, code in drugs.items() for word in _label_words(code)}
    written = _column("drugs.csv", "word", "drug", drugs)
    brands = _column("brands.csv", "brand", "drug", drugs)
    for words in (written, brands):
        fold_words(labels | words)
    fold_words(written | brands)
    return labels | written | brands


@cache
def procedure_words() -> dict[str, str]:
    """Element by written word of treatments that are procedures, such as `PLEX`.

    Sites write them among drugs (`PDN+PLEX`), but each becomes a Procedure. Raises `ImnmFhirError`
    with every line that means no known procedure.
    """
    return _column("drugs.csv", "word", "procedure", load_dictionary().of_table("procedures"))


def _label_words(code: Code) -> Iterator[str]:
    for label in code.labels.values():
        yield label
        yield from (label.replace(" + ", mark) for mark in JOINED if " + " in label)


def _column(file: str, word: str, meaning: str, known: Container[str]) -> dict[str, str]:
    """Meaning by word of one file; lines that say nothing in the column `meaning` are left out."""
    found: dict[str, str] = {}
    faults = []
    for line, row in read_synonyms(file):
        if row[meaning] and row[meaning] not in known:
            faults.append(f"{line}: '{row[meaning]}' is no {meaning} of the dictionary")
        if row[meaning] and found.setdefault(row[word], row[meaning]) != row[meaning]:
            faults.append(f"{line}: '{row[word]}' means '{found[row[word]]}' in an earlier line")
    faults += [
        f"{line}: name either a drug or a procedure"
        for line, row in read_synonyms(file)
        if "procedure" in row and bool(row["drug"]) == bool(row["procedure"])
    ]
    if faults:
        raise Problems("the words for drugs have faults:", faults)
    return found
