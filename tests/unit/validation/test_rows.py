"""Rows as combinations: every row gets back what holds for it, whatever order it came in."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.validation.rows import combinations, gather

SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("word", pa.string()),
        ("number", pa.float64()),
        ("day", pa.date32()),
    ]
)


def batches(*parts: Sequence[tuple[object, ...]]) -> pa.RecordBatchReader:
    names = SCHEMA.names
    made = [
        pa.RecordBatch.from_pylist([dict(zip(names, row, strict=True)) for row in part], SCHEMA)
        for part in parts
    ]
    return pa.RecordBatchReader.from_batches(SCHEMA, made)


def test_rows_come_back_at_their_places() -> None:
    first = [(2, "b", 1.5, None), (0, None, None, None)]
    rows = gather(batches(first, [(3, "b", 2.0, None), (1, "c", 1.5, None)]), 4)
    frame = rows.frame(["word", "number"])
    assert [word if isinstance(word, str) else None for word in frame["word"]] == [
        None,
        "c",
        "b",
        "b",
    ]
    assert frame["number"].fillna(-1).tolist() == [-1, 1.5, 1.5, 2.0]


def test_more_values_than_small_numbers_hold() -> None:
    count = 40_000
    parts = [
        [(place, f"w{place}", float(place % 7), None) for place in range(start, start + 10_000)]
        for start in range(0, count, 10_000)
    ]
    rows = gather(batches(*parts), count)
    assert [rows.value("word", place) for place in (0, 127, 128, 32_768, 39_999)] == [
        "w0", "w127", "w128", "w32768", "w39999",
    ]  # fmt: skip


def test_each_combination_stands_once_and_every_row_finds_its_own() -> None:
    words = ["a", "b", None, "a", "b", None, "a"]
    numbers = [1.0, 1.0, None, 2.0, 1.0, None, 1.0]
    given = [(place, *pair, None) for place, pair in enumerate(zip(words, numbers, strict=True))]
    rows = gather(batches(given), len(given))
    found = combinations(rows, ("word", "number"))
    assert found.number.tolist() == [0, 1, 2, 3, 1, 2, 0]
    assert found.frame["number"].fillna(-1).tolist() == [1.0, 1.0, -1, 2.0]


def test_a_place_without_a_row_is_an_error() -> None:
    with pytest.raises(ImnmFhirError, match="every row"):
        gather(batches([(0, "a", 1.0, None)]), 2)


def test_no_rows_have_columns() -> None:
    rows = gather(batches(), 0)
    assert list(rows.frame(["word", "day"]).columns) == ["word", "day"]
    assert len(combinations(rows, ("word",)).frame) == 0
