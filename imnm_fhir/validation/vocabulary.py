"""The words that a suite may compare a column with: a mistyped one would be a rule that never asks."""

import re
from functools import cache

from imnm_fhir.derive.columns import CASE_COLUMNS
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.validation.catalogue import expectations

TRUTH = ("true", "false")
LITERAL = re.compile(r"'([a-z][a-z0-9_-]*)'")  # what the SQL of the rows itself calls something


@cache
def known_words() -> frozenset[str]:
    """Codes of the value sets, elements, groups, units, and what derived columns and the SQL may say."""
    dictionary = load_dictionary()
    words = {*TRUTH, *dictionary.elements}
    for value_set in dictionary.value_sets.values():
        words |= set(value_set.codes)
        groups = (code.attributes.get("group") for code in value_set.codes.values())
        words |= {str(group) for group in groups if group}
    for each in dictionary.elements.values():
        mark = each.range.mark if each.range else None
        words |= {word for word in (each.group, mark, each.unit, *each.units) if word}
    for _, sentence in CASE_COLUMNS.values():
        words |= set(re.findall(r"[a-z][a-z0-9_-]*", sentence))
    for file in ("tables.sql", "facts.sql"):
        words |= set(LITERAL.findall((expectations() / file).read_text("utf-8")))
    return frozenset(words)
