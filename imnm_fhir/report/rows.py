"""The findings and outcomes as rows of tables, for CSV, Excel and the page."""

import re
from collections.abc import Iterator, Mapping, Sequence

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.dictionary.labels import element_label, time_point_label
from imnm_fhir.findings import Finding, Place, Rule, Validation
from imnm_fhir.issues import Issue
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.languages import Translator
from imnm_fhir.report.words import Words
from imnm_fhir.written import Cell

VALIDATE = "validate"
FINDING_COLUMNS = (
    "rule", "part", "kind", "category", "site", "patient", "table", "element", "time_point", "n", "id",
    "file", "sheet", "row", "column", "value", "as_written", "sentence", "what_to_do", "facts", "waived_by",
)  # fmt: skip
Sheet = tuple[Sequence[str], list[Sequence[Cell]]]
ANNOTATION = re.compile(r" \{\w+\}$")  # UCUM's curly braces: a score has no unit to read


def rules_by_id(validation: Validation) -> dict[str, Rule]:
    """The rules as they ran, by id."""
    return {each.rule.id: each.rule for each in validation.rules}


def finding_rows(validation: Validation, words: Words) -> Iterator[Sequence[Cell]]:
    """One row per finding, those that a waiver lets through last and with its name."""
    rules = rules_by_id(validation)
    for finding in validation.findings:
        yield _row(finding, rules, words, None)
    for finding, waiver in validation.waived:
        yield _row(finding, rules, words, waiver.who)


def _row(
    finding: Issue, rules: Mapping[str, Rule], words: Words, waived_by: str | None
) -> Sequence[Cell]:
    rule = rules.get(finding.rule)
    known: dict[str, object] = {
        **finding.record(),
        "part": finding.part if isinstance(finding, Finding) else None,
        "id": place_id(finding, own) if (own := own_place(finding)) else None,
        "as_written": as_written(finding),
        "sentence": sentence(finding, rules, words),
        "what_to_do": words.advice(rule) if rule else None,
        "facts": "; ".join(place_text(each, words) for each in places(finding)),
        "waived_by": waived_by,
    }
    return [_cell(known[name]) for name in FINDING_COLUMNS]


def _cell(value: object) -> Cell:
    return value if isinstance(value, str | int) or value is None else str(value)


def sentence(finding: Issue, rules: Mapping[str, Rule], words: Words) -> str:
    """What the rule says, in the language; of a conversion, its message."""
    if isinstance(finding, Finding):
        return words.sentence(rules[finding.rule], finding.part)
    return words.translator(finding.message)


def places(finding: Issue) -> tuple[Place, ...]:
    """The cells of a finding of a rule; none of a conversion, which has its own place only."""
    return finding.places if isinstance(finding, Finding) else ()


def own_place(finding: Issue) -> Place | None:
    """The place that a finding of a rule stands at: the first that a row of a file holds."""
    found = places(finding)
    return next((each for each in found if each.row is not None), found[-1] if found else None)


def place_id(finding: Issue, place: Place) -> str:
    """The id of the cohort's row, and so of the resource, that a place of a finding lies in."""
    known = {**vars(place), "site": finding.site, "patient": finding.patient}
    return resource_id(row_key([known[name] for name in load_dictionary().tables[place.table].key]))


def as_written(finding: Issue) -> str | None:
    """The cell of the finding as the site wrote it; None where no cell of a file is known."""
    if not isinstance(finding, Finding):
        return finding.value
    own = own_place(finding)
    return own.word if own else None


def place_text(place: Place, words: Words) -> str:
    """One fact with its place, such as `Statin, start: 2015-01-01 (data.csv, row 3, Inicio: "1/2015")`."""
    row = f"{words('row').lower()} {place.row}" if place.row else None
    where = ", ".join(each for each in (place.file, place.sheet, row, place.column) if each)
    if place.word not in (None, place.value):
        where += f': "{place.word}"'
    text = f"{fact_label(place, words)}: {value_label(place, words) or '-'}"
    return f"{text} ({where})" if where else text


def fact_label(place: Place, words: Words) -> str:
    """Which fact a place is, such as `Statin, start` or `Creatine kinase, baseline`."""
    name = f"field_{place.field}"
    field = words(name) if name in words.texts else None
    label = element_label(place.element, words.translator) or place.table
    visit = time_point_label(place.time_point, words.translator)
    row = code_label(place, words.translator) if place.field != "value_code" else None
    return ", ".join(each for each in (label, row, field, visit) if each)


def code_label(place: Place, say: Translator) -> str | None:
    """The drug or disease of the row, unless the element says it all already."""
    dictionary = load_dictionary()
    if place.code is None or place.code == place.element or place.element is None:
        return None
    codes = dictionary.value_set_of(place.element, "value_code")
    return (
        say.label(codes.codes[place.code].labels) if codes and place.code in codes.codes else None
    )


def value_label(place: Place, words: Words) -> str | None:
    """The value as people read it: a code by its label, a score without its unit."""
    dictionary = load_dictionary()
    if place.value in ("true", "false"):
        return words("yes") if place.value == "true" else words("no")
    if place.value is None or not place.element or place.element not in dictionary.elements:
        return place.value
    codes = dictionary.value_set_of(place.element, place.field)
    if codes and place.value in codes.codes:
        return words.translator.label(codes.codes[place.value].labels)
    return ANNOTATION.sub("", place.value)


def unjudged_rows(validation: Validation, words: Words) -> list[Sequence[Cell]]:
    """Rule, sentence, reason and number of patients, for all that could not be judged."""
    rules = rules_by_id(validation)
    reasons = {
        "not sent": words("not_sent"),
        "not exact": words("not_exact"),
        "too few": words("too_few"),
    }
    return [
        [each.rule, words.sentence(rules[each.rule], part or None), reasons[reason], count]
        for each in validation.outcomes
        for (part, reason), count in each.reasons.items()
    ]


def rule_rows(validation: Validation, words: Words) -> list[Sequence[Cell]]:
    """Each rule: id, sentence, kind, category, source, limits, counts of patients, what changed."""
    outcomes = {each.rule: each for each in validation.outcomes}
    rows: list[Sequence[Cell]] = []
    for each in validation.rules:
        rule, found = each.rule, outcomes.get(each.rule.id)
        limits = ", ".join(f"{name} = {value}" for name, value in rule.limits.items())
        counts: list[Cell] = [None] * 4
        if found:
            counts = [found.violated, found.satisfied, found.unjudged, found.not_applicable]
        changed = ", ".join(each.changed)
        if each.off or rule.runs != VALIDATE:
            changed = words("off") if each.off else words("elsewhere", command=rule.runs)
        about = [rule.id, words.sentence(rule), words(rule.kind), words(rule.category)]
        rows.append([*about, rule.source, limits, *counts, changed])
    return rows


def compared_rows(validation: Validation, words: Words) -> list[Sequence[Cell]]:
    """Rule, the site's word, the derived one, whether they differ, number of patients."""
    return [
        [
            rule,
            compared_label(said, words),
            compared_label(derived, words),
            words("yes") if differs else words("no"),
            count,
        ]
        for rule, pairs in validation.compared.items()
        for (said, derived, differs), count in sorted(pairs.items())
    ]


def compared_label(text: str, words: Words) -> str:
    """What the site or the dates say, as people read it: values that a site reports, elements, yes or no."""
    return "; ".join(_compared_word(each, words) for each in text.split("; "))


def _compared_word(word: str, words: Words) -> str:
    if word in ("true", "false"):
        return words("yes") if word == "true" else words("no")
    dictionary = load_dictionary()
    for element in dictionary.elements.values():
        codes = dictionary.value_sets[element.value_set].codes if element.value_set else {}
        if element.reported and word in codes:
            return words.translator.label(codes[word].labels)
    return element_label(word, words.translator) or word


def sheets(validation: Validation, words: Words) -> dict[str, Sheet]:
    """The sheets of findings.xlsx by title."""
    rule_header = [
        "rule", "sentence", "kind", "category", "source", "limits", "violated", "satisfied",
        "unjudged", "not_applicable", "changed",
    ]  # fmt: skip
    headers = {
        "unjudged": ["rule", "sentence", "reason", "patients"],
        "definitions": ["rule", "site_says", "derived", "differs", "patients"],
        "rules": rule_header,
    }
    rows = {
        "unjudged": unjudged_rows(validation, words),
        "definitions": compared_rows(validation, words),
        "rules": rule_rows(validation, words),
    }
    found: dict[str, Sheet] = {
        words("findings"): (FINDING_COLUMNS, list(finding_rows(validation, words)))
    }
    for name, header in headers.items():
        found[words(name)] = ([words(each) for each in header], rows[name])
    return found
