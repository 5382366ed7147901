"""The findings by cause: one block per cause, one unit per query, one line per cell.

A block is shared with queries.xlsx: the same ids, and the state of each query since earlier deliveries.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary.labels import element_label, time_point_label
from imnm_fhir.findings import Finding, Outcome, Place, Rule, Validation
from imnm_fhir.issues import KINDS, Issue
from imnm_fhir.keys import row_key
from imnm_fhir.queries.asking import Asked
from imnm_fhir.queries.model import Query, Target
from imnm_fhir.queries.questions.causes import Cause, causes_of
from imnm_fhir.queries.questions.configuration import load_asking
from imnm_fhir.queries.questions.conflicts import conflict_question
from imnm_fhir.queries.questions.evidence import UNIT_RULES
from imnm_fhir.report.changes import Changes
from imnm_fhir.report.query_states import Standing, standing_of
from imnm_fhir.report.rows import (
    compared_label,
    fact_label,
    own_place,
    places,
    rules_by_id,
    value_label,
)
from imnm_fhir.report.words import Words

MOST = 100  # units of one block on the page; all findings stand in findings.csv
MOST_UNITS = 4000  # of the page in all, so that a browser shows it at once
FEWEST = 10  # units of one block, however many blocks there are
MOST_CELLS = 12  # of one unit
NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class CellLine:
    """One cell: the fact and its value as read, where it stands, the site's own header and word."""

    fact: str | None
    value: str | None
    word: str | None
    file: str | None
    sheet: str | None
    row: int | None
    column: str | None


@dataclass(frozen=True)
class Unit:
    """What one query is about, or one finding that is not asked: its cells, the first in doubt."""

    key: str
    site: str | None
    patient: str | None
    query: str | None
    standing: Standing | None
    fresh: bool
    cells: Sequence[CellLine]
    more: int = 0


@dataclass(frozen=True)
class RuleLine:
    """One rule of a block: what it says, and how many patients it could judge (None: not a rule's)."""

    rule: str
    sentence: str
    judged: int | None
    unjudged: int | None


@dataclass(frozen=True)
class Block:
    """One cause. `query` and `standing` are those of the only query, None where there are several.

    `rows` are the rows of files in doubt, `all_rows` those of the one file that they stand in.
    """

    topic: str
    kind: str
    rules: Sequence[RuleLine]
    category: str | None
    advice: str | None
    source: str | None
    question: str | None
    evidence: str | None
    query: str | None
    standing: Standing | None
    patients: int
    rows: int
    all_rows: int | None
    file: str | None
    units: Sequence[Unit]
    more: int

    @property
    def several(self) -> bool:
        """Whether its units are queries of their own."""
        return self.query is None and any(each.query for each in self.units)


@dataclass(frozen=True)
class _Draft:
    """A block before it is known how many units the page may show."""

    topic: str
    causes: list[Cause]
    findings: list[Issue]


@dataclass(frozen=True)
class _Page:
    """What every block reads."""

    words: Words
    rules: Mapping[str, Rule]
    outcomes: Mapping[str, Outcome]
    rows_in: Mapping[tuple[str | None, str | None], int]
    changes: Changes | None
    asked: Asked | None


def blocks_of(
    validation: Validation,
    cohort: Cohort,
    causes: Sequence[Cause],
    words: Words,
    changes: Changes | None = None,
    asked: Asked | None = None,
) -> list[Block]:
    """The blocks in the order of queries.xlsx; what is counted and not asked comes last."""
    page = _Page(
        words,
        rules_by_id(validation),
        {each.rule: each for each in validation.outcomes},
        _rows_in(cohort),
        changes,
        asked,
    )
    drafts = [*_asked_drafts(causes), *_other_drafts(validation, causes, page)]
    most = max(FEWEST, min(MOST, MOST_UNITS // max(len(drafts), 1)))
    made = [*_without_findings(causes, page), *(_block(each, most, page) for each in drafts)]
    order = {topic: place for place, topic in enumerate((*load_asking().order, NOT_ASKED))}
    return sorted(made, key=lambda each: order.get(each.topic, 0))


def _without_findings(causes: Iterable[Cause], page: _Page) -> Iterable[Block]:
    """What is asked without a finding: by the consortium, or since answer and source contradict."""
    found = {each.query.id for each in causes}
    neutral = page.asked is not None and page.asked.neutral
    for query in (each.query for each in page.asked.listed) if page.asked else ():
        if query.id not in found:
            standing = standing_of(query.id, page.asked, page.words) if page.asked else None
            cells = [_target_line(each, page.words) for each in query.targets]
            key = row_key((query.site, query.patient))
            rules = [name.partition(".") for name in query.rules]
            said = [
                RuleLine(rule, page.words.sentence(page.rules[rule], part or None), None, None)
                for rule, _, part in rules if rule in page.rules
            ]  # fmt: skip
            yield Block(
                topic=query.topic, kind=query.kind,
                rules=said or [RuleLine("", page.words("of_consortium"), None, None)],
                category=None, advice=None, source=None, question=_question(query, page),
                evidence=query.evidence if query.origin == "consortium" and not neutral else None,
                query=query.id, standing=standing, patients=1 if query.patient else 0,
                rows=len({(each.file, each.row) for each in query.targets if each.row}),
                all_rows=None, file=None,
                units=[Unit(key, query.site, query.patient, query.id, standing, False, cells)],
                more=0,
            )  # fmt: skip


def _target_line(target: Target, words: Words) -> CellLine:
    return CellLine(
        _fact(target, words), target.value, target.word,
        target.file, target.sheet, target.row, target.column,
    )  # fmt: skip


def _fact(about: Issue | Target, words: Words) -> str:
    """The element and visit that something is about, else its table."""
    label = element_label(about.element, words.translator) or about.table
    visit = time_point_label(about.time_point, words.translator)
    return ", ".join(each for each in (label, visit) if each)


def page_causes(
    validation: Validation, cohort: Cohort, language: str, asked: Asked | None
) -> list[Cause]:
    """The causes in the page's language, with the ids that the queries of this round have."""
    return causes_of(validation, cohort, language, asked.known if asked else None)


def _rows_in(cohort: Cohort) -> dict[tuple[str | None, str | None], int]:
    return {
        (source["file"], source.get("sheet")): source["rows_in"]
        for about in cohort.manifest["sites"].values()
        for source in about.get("sources") or []
        if "rows_in" in source
    }


def _asked_drafts(causes: Iterable[Cause]) -> list[_Draft]:
    """Queries whose rules are the same stand in one block; a question about a column in its own."""
    drafts: dict[tuple[object, ...], _Draft] = {}
    for cause in causes:
        query, lead = cause.query, cause.findings[0]
        key = (query.topic, query.site, query.id) if query.rows else (
            query.topic, query.rules, query.question,
            None if isinstance(lead, Finding) else lead.message,
        )  # fmt: skip
        draft = drafts.setdefault(key, _Draft(query.topic, [], []))
        draft.causes.append(cause)
        draft.findings.extend(cause.findings)
    return list(drafts.values())


def _other_drafts(validation: Validation, causes: Iterable[Cause], page: _Page) -> Iterable[_Draft]:
    """What no query is about, by rule and part, or by message; the gravest kind first."""
    asked = {id(each) for cause in causes for each in cause.findings}
    drafts: dict[tuple[object, ...], _Draft] = {}
    for each in validation.findings:
        if id(each) not in asked:
            said = each.part if isinstance(each, Finding) else each.message
            key = (each.rule, said, each.kind)
            drafts.setdefault(key, _Draft(NOT_ASKED, [], [])).findings.append(each)
    order = {rule: place for place, rule in enumerate(page.rules)}
    return sorted(
        drafts.values(),
        key=lambda one: (
            KINDS.index(one.findings[0].kind),
            order.get(one.findings[0].rule, len(order)),
        ),
    )


def _block(draft: _Draft, most: int, page: _Page) -> Block:
    lead = draft.findings[0]
    rule = page.rules.get(lead.rule) if isinstance(lead, Finding) else None
    query = draft.causes[0].query if draft.causes else None
    one = query if len(draft.causes) == 1 else None
    standing = standing_of(one.id, page.asked, page.words) if one and page.asked else None
    ids = page.asked is not None
    files = {(each.file, each.sheet) for each in draft.findings if each.row}
    only = next(iter(files)) if len(files) == 1 else None
    makers = list(_makers(draft, page))
    return Block(
        topic=draft.topic,
        kind=min((each.kind for each in draft.findings), key=KINDS.index),
        rules=_rule_lines(draft.findings, page),
        category=lead.category,
        advice=page.words.advice(rule) if rule else None,
        source=rule.source if rule else None,
        question=_question(query, page) if query else None,
        evidence=_evidence(draft, page),
        query=one.id if one and ids else None,
        standing=standing,
        patients=len({(each.site, each.patient) for each in draft.findings if each.patient}),
        rows=len({(each.file, each.sheet, each.row) for each in draft.findings if each.row}),
        all_rows=page.rows_in.get(only) if only else None,
        file=only[0] if only else None,
        units=[make() for make in makers[:most]],
        more=max(0, len(makers) - most),
    )


def _question(query: Query, page: _Page) -> str:
    """What the list asks, in the page's language; the consortium's own words as they are."""
    state, why = page.asked.states.get(query.id, ("", "")) if page.asked else ("", "")
    if state == "conflict":
        return conflict_question(why, page.words.language)
    return query.question


def _makers(draft: _Draft, page: _Page) -> Iterable[Callable[[], Unit]]:
    """What makes each unit: of long blocks the page shows the first ones only."""
    if not draft.causes or draft.causes[0].query.rows:
        yield from (partial(_unit, [each], None, page) for each in draft.findings)
    else:
        yield from (partial(_unit, cause.findings, cause.query, page) for cause in draft.causes)


def _unit(findings: Sequence[Issue], query: Query | None, page: _Page) -> Unit:
    lead, asked = findings[0], page.asked
    cells = list(_cells(findings, page.words))
    return Unit(
        key=row_key((lead.site, lead.patient)),
        site=lead.site,
        patient=lead.patient,
        query=query.id if query and asked else None,
        standing=standing_of(query.id, asked, page.words) if query and asked else None,
        fresh=page.changes is not None and page.changes.is_new(lead),
        cells=cells[:MOST_CELLS],
        more=max(0, len(cells) - MOST_CELLS),
    )


def _evidence(draft: _Draft, page: _Page) -> str | None:
    """What speaks for a cause in a column, or with the numbers of a rule; nothing where it is neutral."""
    if not draft.causes or (page.asked and page.asked.neutral):
        return None
    query, lead = draft.causes[0].query, draft.findings[0]
    if query.rows or lead.rule in UNIT_RULES:
        return query.evidence
    said = (
        page.rules[first.rule].evidenced(page.words.language, first)
        for first in (cause.findings[0] for cause in draft.causes[:MOST_CELLS])
        if isinstance(first, Finding)
    )
    return "; ".join(dict.fromkeys(text for text in said if text)) or None


def _rule_lines(findings: Iterable[Issue], page: _Page) -> list[RuleLine]:
    """Each rule once, the leading one first."""
    lines: dict[tuple[str, str | None], RuleLine] = {}
    for each in findings:
        if isinstance(each, Finding):
            sentence = page.words.sentence(page.rules[each.rule], each.part)
            outcome = page.outcomes.get(each.rule)
        else:
            sentence, outcome = page.words.translator(each.message), None
        judged = outcome.violated + outcome.satisfied if outcome else None
        unjudged = outcome.unjudged if outcome else None
        told = sentence if isinstance(each, Finding) else None  # a message names its own row
        lines.setdefault((each.rule, told), RuleLine(each.rule, sentence, judged, unjudged))
    return list(lines.values())


def _cells(findings: Iterable[Issue], words: Words) -> Iterable[CellLine]:
    """The cells of the findings, each once: that in doubt first, then the others that the rules read."""
    found: dict[tuple[object, ...], CellLine] = {}
    for finding in findings:
        own = own_place(finding)
        others = [each for each in places(finding) if each != own]
        for line in (_own_line(finding, words), *(_line(each, words) for each in others)):
            at = (line.file, line.sheet, line.row, line.column)
            found.setdefault(at if line.row and line.column else (line.fact, line.value), line)
    return found.values()


def _own_line(finding: Issue, words: Words) -> CellLine:
    """The cell that a finding stands at; its value may be what the rule compared."""
    own = own_place(finding)
    if own is None:
        read = isinstance(finding, Finding)
        return CellLine(
            _fact(finding, words), finding.value if read else None, None if read else finding.value,
            finding.file, finding.sheet, finding.row, finding.column,
        )  # fmt: skip
    line = _line(own, words)
    if finding.value in (own.value, None):
        return line
    said = [compared_label(each, words) for each in str(finding.value).split(" | ")]
    return replace(line, value=" | ".join(said))


def _line(place: Place, words: Words) -> CellLine:
    return CellLine(
        fact_label(place, words), value_label(place, words), place.word,
        place.file, place.sheet, place.row, place.column,
    )  # fmt: skip
