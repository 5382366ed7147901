"""Facts of all tables to the cohort's tables: keys, ids, and no key twice."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema, table_from_rows
from imnm_fhir.dictionary import PROVENANCE, load_dictionary
from imnm_fhir.harmonise.account import Fact
from imnm_fhir.harmonise.facts import FactRows, Work
from imnm_fhir.harmonise.outcomes import ISSUE
from imnm_fhir.keys import resource_id
from imnm_fhir.languages import translatable

if TYPE_CHECKING:
    import pyarrow as pa

Place = tuple[FactRows, int]


def make_table(
    name: str, facts: Sequence[FactRows], more: Iterable[dict[str, Any]] = ()
) -> "pa.Table":
    """One table of the cohort, its ids made from its keys. `more` are rows that no file holds.

    Facts with the same key: identical ones are kept once, others are all refused, with an issue.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = load_dictionary().tables[name]
    schema = arrow_schema(table)
    chunks = [
        pa.table([each.columns[column] for column in table.columns], schema=schema)
        for each in facts
    ]
    chunks.append(table_from_rows(name, more))
    made = pa.concat_tables(chunks).combine_chunks()
    keys = row_keys({column: made[column] for column in table.key})
    ids = pa.array(map(resource_id, keys), pa.string())
    made = made.set_column(made.schema.get_field_index("id"), "id", ids)
    kept = np.ones(len(keys), bool)
    if len(set(keys)) < len(keys):
        kept[sorted(_doubles(made, keys, facts))] = False
        made = made.filter(pa.array(kept))
        ids = pc.if_else(pa.array(kept), ids, pa.scalar(None, pa.string()))
    _tell_ids(facts, ids)
    return made


def _tell_ids(facts: Sequence[FactRows], ids: "pa.Array") -> None:
    """Give each fact the ids of its rows."""
    start = 0
    for each in facts:
        each.ids = ids.slice(start, len(each.rows))
        start += len(each.rows)


def row_keys(parts: Mapping[str, "pa.ChunkedArray"]) -> list[str]:
    """The keys of all rows: `imnm_fhir.keys.row_key`, column by column.

    Site, element and time point are words of ours without a sign that would need encoding.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = []
    for name, part in parts.items():
        plain = pc.fill_null(part, "")
        if name in ("patient", "n"):
            plain = pc.replace_substring(pc.replace_substring(plain, "%", "%25"), "/", "%2F")
        encoded.append(plain)
    keys: list[str] = pc.binary_join_element_wise(*encoded, pa.scalar("/")).to_pylist()
    return keys


def _doubles(made: "pa.Table", keys: list[str], facts: Sequence[FactRows]) -> set[int]:
    """The places of the rows to drop, after each key that stands twice was settled."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    dropped: set[int] = set()
    for several in places.values():
        if len(several) > 1:
            dropped |= _settle(made, several, facts)
    return dropped


def _settle(made: "pa.Table", several: list[int], facts: Sequence[FactRows]) -> set[int]:
    """Which of the rows with one key are dropped: all but the first, or all if they differ."""
    rows = [
        {k: v for k, v in made.slice(p, 1).to_pylist()[0].items() if k not in PROVENANCE}
        for p in several
    ]
    same = all(row == rows[0] for row in rows)
    found = [_origin(place, facts) for place in several]
    origins = [(fact, int(fact.rows[at])) for fact, at in found]
    for at, (fact, row) in enumerate(origins):
        about = Fact(fact.table, *(rows[at].get(name) for name in ("element", "time_point", "n")))
        column = str(made["column"][several[at]])
        others = ", ".join(_said(*each) for place, each in enumerate(origins) if place != at)
        if same and at:
            message = translatable("says the same as {others}; kept once").format(others=others)
            fact.work.account.note(
                row, _column(fact, column), "duplicate-row", "note", message, about
            )
        if not same:
            message = translatable(
                "{others} says otherwise under the same key; none is kept: keep one, or tell them apart"
            ).format(others=others)
            fact.work.account.note(
                row, _column(fact, column), "duplicate-fact", "impossible", message, about
            )
            fact.dropped.add(found[at][1])
            _mark_lost(fact, row)
    return set(several[1:]) if same else set(several)


def _column(fact: FactRows, header: str) -> str:
    """The mapping's name of a header."""
    return next((name for name, each in fact.work.fitted.headers.items() if each == header), header)


def _said(fact: FactRows, row: int) -> str:
    table = fact.work.fitted.table
    return f"row {table.row_numbers[row]} of {fact.work.fitted.said}"


def _origin(place: int, facts: Sequence[FactRows]) -> Place:
    """The fact that a row of the joined table belongs to, and its place there."""
    for fact in facts:
        if place < len(fact.rows):
            return fact, place
        place -= len(fact.rows)
    raise AssertionError("a row that no file holds has a key of its own")


def _mark_lost(fact: FactRows, row: int) -> None:
    import numpy as np

    for each in fact.converted:
        if each.reading.carries:
            fact.work.account.take((each.reading.column,), np.array([row]), ISSUE)
        fact.work.account.excuse(each.reading.columns, np.array([row]))


def refuse_rows_without_facts(work: Work) -> None:
    """Refuse the rows of a long table all of whose facts were dropped for others with their key."""
    if work.fitted.plan.one_per_patient:
        return
    lost = {int(fact.rows[at]) for fact in work.facts for at in fact.dropped}
    if lost:
        work.account.refused |= lost - {
            int(row)
            for fact in work.facts
            for at, row in enumerate(fact.rows)
            if at not in fact.dropped
        }
