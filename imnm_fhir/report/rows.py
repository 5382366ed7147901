"""The findings and outcomes as rows of tables, for CSV, Excel and the page."""

from collections.abc import Iterator, Mapping, Sequence

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.findings import Finding, Place, Rule, Validation
from imnm_fhir.issues import Issue
from imnm_fhir.report.words import Words
from imnm_fhir.written import Cell

FINDING_COLUMNS = (
    "rule", "part", "kind", "category", "site", "patient", "table", "element", "time_point", "n",
    "file", "sheet", "row", "column", "value", "sentence", "what_to_do", "facts", "waived_by",
)  # fmt: skip
Sheet = tuple[Sequence[str], list[Sequence[Cell]]]


def rules_by_id(validation: Validation) -> dict[str, Rule]:
    """The rules as they ran, by id."""
    return {each.rule.id: each.rule for each in validation.rules}


def finding_rows(validation: Validation, language: str) -> Iterator[Sequence[Cell]]:
    """One row per finding, those that a waiver lets through last and with its name."""
    rules = rules_by_id(validation)
    for finding in validation.findings:
        yield _row(finding, rules, language, None)
    for finding, waiver in validation.waived:
        yield _row(finding, rules, language, waiver.who)


def _row(
    finding: Issue, rules: Mapping[str, Rule], language: str, waived_by: str | None
) -> Sequence[Cell]:
    record = finding.record()
    part = finding.part if isinstance(finding, Finding) else None
    rule = rules.get(finding.rule)
    known: dict[str, object] = {
        **record,
        "part": part,
        "sentence": sentence(finding, rules, language),
        "what_to_do": rule.advised(language) if rule else None,
        "facts": "; ".join(place_text(each, language) for each in places(finding)),
        "waived_by": waived_by,
    }
    return [_cell(known[name]) for name in FINDING_COLUMNS]


def _cell(value: object) -> Cell:
    return value if isinstance(value, str | int) or value is None else str(value)


def sentence(finding: Issue, rules: Mapping[str, Rule], language: str) -> str:
    """What the rule says, in the language; of a conversion, its own message."""
    if isinstance(finding, Finding):
        return rules[finding.rule].said(language, finding.part)
    return finding.message


def places(finding: Issue) -> tuple[Place, ...]:
    """The cells of a finding; of a conversion, the one cell."""
    return finding.places if isinstance(finding, Finding) else ()


def place_text(place: Place, language: str) -> str:
    """One fact with its place, such as `Creatine kinase (baseline) 4512 U/L, row 3, CK`."""
    parts = [element_label(place.element, language) or place.table]
    if place.field not in (
        "value_code",
        "value_number",
        "value_boolean",
        "value_date",
        "value_text",
    ):
        parts.append(place.field.replace("_", " "))
    if place.time_point:
        parts.append(f"({time_point_label(place.time_point, language)})")
    text = " ".join([*parts, *([place.value] if place.value else [])])
    where = [place.file, place.sheet, f"row {place.row}" if place.row else None, place.column]
    return ", ".join([text, *(each for each in where if each)])


def element_label(element: str | None, language: str) -> str | None:
    """The label of an element in a language; the name where it is none of the dictionary's."""
    if element is None:
        return None
    known = load_dictionary().elements.get(element)
    return known.labels.get(language, known.labels["en"]) if known else element


def time_point_label(time_point: str | None, language: str) -> str | None:
    """The label of a time point in a language."""
    if time_point is None:
        return None
    code = load_dictionary().value_sets["time_point"].codes.get(time_point)
    return code.labels.get(language, code.labels["en"]) if code else time_point


def unjudged_rows(validation: Validation, words: Words) -> list[Sequence[Cell]]:
    """Rule, sentence, reason and number of patients, for all that could not be judged."""
    rules = rules_by_id(validation)
    reasons = {"not sent": words("not_sent"), "not exact": words("not_exact")}
    return [
        [each.rule, rules[each.rule].said(words.language, part or None), reasons[reason], count]
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
        counts = (
            [found.violated, found.satisfied, found.unjudged, found.not_applicable]
            if found
            else [None] * 4
        )
        said = words("off") if each.off else ", ".join(each.changed)
        rows.append(
            [rule.id, rule.said(words.language), words(rule.kind), words(rule.category), rule.source,
             limits, *counts, said]
        )  # fmt: skip
    return rows


def compared_rows(validation: Validation) -> list[Sequence[Cell]]:
    """Rule, the site's word, the derived one, number of patients."""
    return [
        [rule, said, derived, count]
        for rule, pairs in validation.compared.items()
        for (said, derived), count in sorted(pairs.items())
    ]


def sheets(validation: Validation, words: Words) -> dict[str, Sheet]:
    """The sheets of findings.xlsx by title."""
    rule_header = [
        words(name)
        for name in ("rule", "sentence", "kind", "category", "source", "limits", "violated",
                     "satisfied", "unjudged", "not_applicable", "changed")
    ]  # fmt: skip
    return {
        words("findings"): (FINDING_COLUMNS, list(finding_rows(validation, words.language))),
        words("unjudged"): (
            [words(name) for name in ("rule", "sentence", "reason", "patients")],
            unjudged_rows(validation, words),
        ),
        words("definitions"): (
            [words(name) for name in ("rule", "site_says", "derived", "patients")],
            compared_rows(validation),
        ),
        words("rules"): (rule_header, rule_rows(validation, words)),
    }
