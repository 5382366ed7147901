"""From findings to questions: one query per cause, however many rows and rules it touches."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Finding, Rule, Validation
from imnm_fhir.issues import KINDS, Issue
from imnm_fhir.queries.model import Query, Target, fingerprint, query_id
from imnm_fhir.queries.questions.configuration import Asking, ColumnCause, load_asking
from imnm_fhir.queries.questions.evidence import cell_evidence, column_evidence, question_of
from imnm_fhir.queries.questions.explained import without_explained
from imnm_fhir.queries.questions.found import Found, Ident, ident
from imnm_fhir.queries.questions.headers import Headers
from imnm_fhir.queries.questions.told_apart import Entry, told_apart


@dataclass(frozen=True)
class Cause:
    """A question, and the findings that its answer settles, the leading one first."""

    query: Query
    findings: tuple[Issue, ...]


def queries_of(
    validation: Validation,
    cohort: Cohort,
    language: str = "en",
    known: Mapping[str, Entry] | None = None,
    asking: Asking | None = None,
) -> list[Query]:
    """Every question that a validation leads to: those of `causes_of`."""
    return [each.query for each in causes_of(validation, cohort, language, known, asking)]


def causes_of(
    validation: Validation,
    cohort: Cohort,
    language: str = "en",
    known: Mapping[str, Entry] | None = None,
    asking: Asking | None = None,
) -> list[Cause]:
    """Every cause that a site can be asked about, what matters first; `known` are the queries asked before.

    A cause in many rows of one column is one question about the column. Several rules that stand at
    one cell, or read the same cells, or read a cell that is impossible by itself, are one question.
    A gap that an unread cell left is not asked besides the cell.
    """
    asking = asking or load_asking()
    rules = {each.rule.id: each.rule for each in validation.rules}
    found = without_explained(
        list(_found(validation, cohort, asking)), asking.explained, validation.demands
    )
    columns, left = _columns(found, asking, cohort, language, rules)
    known = known or {}
    groups = _grouped(told_apart(left, known, asking.together), known, asking.together)
    made = columns + [
        Cause(_query(each, asking, language, rules), _findings(each)) for each in groups
    ]
    order = {rule: place for place, rule in enumerate(rules)}
    return sorted(made, key=lambda each: _rank(each.query, asking, order))


def _findings(group: Iterable[Found]) -> tuple[Issue, ...]:
    return tuple(each.finding for each in group)


def _found(validation: Validation, cohort: Cohort, asking: Asking) -> Iterable[Found]:
    headers = Headers(cohort)
    own = cohort.manifest["origin"] == "site file"
    for finding in validation.findings:
        if not own and not isinstance(finding, Finding):
            continue  # what could not be read is between the site and its own files
        if finding.kind not in asking.kinds or finding.rule in asking.consequences:
            continue
        part = finding.part if isinstance(finding, Finding) else None
        places = finding.places if isinstance(finding, Finding) else ()
        targets = [headers.target_of_place(each) for each in places]
        first = next((each for each in targets if each.row is not None), None)
        if first is not None:
            targets = [first, *(each for each in targets if each != first)]
        yield Found(
            finding,
            f"{finding.rule}.{part}" if part else finding.rule,
            tuple(targets) or (headers.target_of_issue(finding),),
        )


def _columns(
    found: Sequence[Found],
    asking: Asking,
    cohort: Cohort,
    language: str,
    rules: Mapping[str, Rule],
) -> tuple[list[Cause], list[Found]]:
    """The questions about whole columns, and the findings that are left."""
    groups: dict[tuple[object, ...], list[Found]] = defaultdict(list)
    causes: dict[tuple[object, ...], ColumnCause] = {}
    for each in found:
        cause, own = asking.column_cause(each.rule), each.own
        if cause is None or own.column is None or own.row is None:
            continue
        word = own.word if cause.word else None
        key: tuple[object, ...] = (
            each.finding.site,
            own.file,
            own.sheet,
            own.column,
            cause.question,
            word,
        )
        groups[key].append(each)
        causes[key] = cause
    files: dict[tuple[object, ...], set[object]] = defaultdict(set)
    for key in groups:
        files[_whatever_file(key)].add(key[1])
    made: list[Cause] = []
    taken: set[int] = set()
    for key, group in groups.items():
        rows = sorted({one.own.row or 0 for one in group})
        if len(rows) >= causes[key].rows:
            several = len(files[_whatever_file(key)]) > 1
            query = _column_query(
                group, rows, causes[key], asking, cohort, language, rules, several
            )
            made.append(Cause(query, _findings(group)))
            taken |= {id(one) for one in group}
    return made, [each for each in found if id(each) not in taken]


def _whatever_file(key: tuple[object, ...]) -> tuple[object, ...]:
    """The column without its file: the next delivery's has another name, and is asked the same."""
    return (key[0], *key[2:])


def _column_query(
    found: Sequence[Found],
    rows: Sequence[int],
    cause: ColumnCause,
    asking: Asking,
    cohort: Cohort,
    language: str,
    rules: Mapping[str, Rule],
    several: bool,
) -> Query:
    own = found[0].own
    target = replace(own, row=None, n=None, time_point=None, value=None,
                     word=own.word if cause.word else None)  # fmt: skip
    names = tuple(sorted({each.rule for each in found}))
    site = str(found[0].finding.site)
    last = own.word if cause.word else None
    return Query(
        id=query_id(
            site,
            None,
            (own.file if several else None, own.sheet, own.column, last),
            cause.proposes or names[0],
        ),
        site=site,
        patient=None,
        kind=_gravest(found),
        topic=asking.topic(names, own.element),
        rules=names,
        targets=(target,),
        question=question_of(cause.question, language),
        evidence=column_evidence(found, cohort, language, rules, cause.proposes == "unit"),
        rows=tuple(rows),
        fingerprint=fingerprint(names, [each.own for each in found]),
        proposes=cause.proposes,
    )


def _gravest(found: Iterable[Found]) -> str:
    return min((each.finding.kind for each in found), key=KINDS.index)


def _grouped(
    found: Sequence[Found], known: Collection[str], together: Collection[str]
) -> list[list[Found]]:
    """Findings that one answer settles, the leading one first."""
    groups: list[list[Found]] = []
    by_patient: dict[tuple[str | None, str | None], list[Found]] = defaultdict(list)
    for each in found:
        by_patient[each.finding.site, each.finding.patient].append(each)
    for mine in by_patient.values():
        groups += _settled_together(mine, known, together)
    return groups


def _settled_together(
    found: Sequence[Found], known: Collection[str], together: Collection[str]
) -> list[list[Found]]:
    """The findings of one patient by the cell that the question is about."""
    alone = {ident(each.own) for each in found if len(each.cells) == 1}
    by_cells: dict[frozenset[Ident], Ident] = {}
    groups: dict[Ident, list[Found]] = defaultdict(list)
    for each in sorted(found, key=lambda one: _lead(one, known)):
        if each.rule in together:
            groups[each.own.key].append(each)
            continue
        explained = [one for one in map(ident, each.targets) if one in alone]
        at = explained[0] if explained else by_cells.setdefault(each.cells, ident(each.own))
        groups[at].append(each)
    return list(groups.values())


def _lead(found: Found, known: Collection[str]) -> tuple[bool, int, int]:
    """What leads a group: a query that was asked before, one cell alone, the graver kind."""
    asked = _id(found) in known
    return (not asked, min(len(found.cells), 2), KINDS.index(found.finding.kind))


def _id(found: Found) -> str:
    finding = found.finding
    cause = finding.rule if found.own.element is None else None
    return query_id(str(finding.site), finding.patient, found.own.key, cause)


def _query(
    group: Sequence[Found],
    asking: Asking,
    language: str,
    rules: Mapping[str, Rule],
) -> Query:
    lead = group[0]
    targets = _different(each for one in group for each in one.targets)
    names = tuple(dict.fromkeys(each.rule for each in group))
    return Query(
        id=_id(lead),
        site=str(lead.finding.site),
        patient=lead.finding.patient,
        kind=_gravest(group),
        topic=asking.topic(names, lead.own.element),
        rules=names,
        targets=targets,
        question=question_of(lead.finding, language, rules),
        evidence=cell_evidence([each.finding for each in group], targets, language, rules),
        fingerprint=fingerprint(names, targets),
    )


def _different(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The cells, each once: one cell may fill several fields."""
    found: dict[tuple[object, ...], Target] = {}
    for each in targets:
        found.setdefault(
            (each.file, each.sheet, each.row, each.column) if each.row else each.key, each
        )
    return tuple(found.values())


def _rank(query: Query, asking: Asking, order: Mapping[str, int]) -> tuple[object, ...]:
    """Eligibility before serogroup before dates, and so on; within a topic, columns and gravest first."""
    place = order.get(query.rules[0].partition(".")[0], -1)
    kind = KINDS.index(query.kind)
    return (
        asking.order.index(query.topic),
        kind,
        query.patient is not None,
        place,
        query.patient or "",
        query.id,
    )
