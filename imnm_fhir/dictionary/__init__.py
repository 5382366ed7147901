"""The dictionary: tables, elements and value sets, declared once in `mappings/dictionary/`."""

from imnm_fhir.dictionary.declarations import (
    PROVENANCE,
    TABLES,
    Code,
    Dictionary,
    Element,
    Table,
    ValueSet,
    fold_header,
    header_names,
)
from imnm_fhir.dictionary.load import load_dictionary, read_dictionary

__all__ = [
    "PROVENANCE",
    "TABLES",
    "Code",
    "Dictionary",
    "Element",
    "Table",
    "ValueSet",
    "fold_header",
    "header_names",
    "load_dictionary",
    "read_dictionary",
]
