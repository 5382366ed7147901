"""The rows that a suite judges, each column as numbers of its distinct values.

A rule of single rows answers alike for rows that hold the same in the columns that it reads. So
each combination of values is judged once, and what is said of it is said of every row of it: a
million rows are some thousand combinations, and take a fraction of the memory of their values.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.validation.checks import Check, used_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    Numbers = np.ndarray[Any, Any]

# datetime64[ns] ends in 1677 and 2262. What lies beyond is as wrong at the ends of these.
FIRST_DAY, LAST_DAY = date(1700, 1, 1), date(2200, 12, 31)
LONG = 1000  # distinct values from which on a column makes many combinations with another such
AT_ONCE = 12  # checks judged together: few columns at a time are quicker than few times
UNIQUE = "expect_compound_columns_to_be_unique"  # nothing twice counts as well
# What these say of a row depends on no other row; any other expectation is given every row.
BY_ROW = frozenset(
    f"expect_column_{name}"
    for name in (
        "values_to_be_between",
        "values_to_be_in_set",
        "values_to_not_be_in_set",
        "values_to_not_be_null",
        "values_to_be_null",
        "values_to_match_regex",
        "values_to_not_match_regex",
        "value_lengths_to_be_between",
        "pair_values_a_to_be_greater_than_b",
        "pair_values_to_be_equal",
    )
)


@dataclass(frozen=True)
class Column:
    """The distinct values of a column (nothing among them), and for each row the number of its value."""

    values: "pd.Series"
    codes: "Numbers"


@dataclass(frozen=True)
class Rows:
    """Rows by their place from 0 on; the columns by name."""

    columns: Mapping[str, Column]
    count: int

    def value(self, name: str, place: int) -> Any:
        """What one row holds in a column, as pandas has it."""
        column = self.columns[name]
        return column.values.iat[column.codes[place]]

    def at(self, name: str, places: Any) -> "pd.Series":
        """What the rows at `places` hold in a column."""
        import pandas as pd

        column = self.columns[name]
        held = column.values.to_numpy()[column.codes[places]]
        return pd.Series(held, dtype=column.values.dtype)

    def frame(self, names: Iterable[str], places: Any = slice(None)) -> "pd.DataFrame":
        """Columns of the rows at `places` (default: of all) as a frame, counted from 0."""
        import pandas as pd

        return pd.DataFrame({name: self.at(name, places) for name in names})


@dataclass(frozen=True)
class Combinations:
    """The combinations of some columns as a frame, and for each row the number of its own."""

    frame: "pd.DataFrame"
    number: "Numbers"


def combinations(rows: Rows, names: Collection[str]) -> Combinations:
    """Each combination of values of these columns once, in the order of the rows."""
    import numpy as np

    number = np.zeros(rows.count, dtype=np.int64)
    size = 1
    for name in sorted(names):
        width = len(rows.columns[name].values)
        if size * width >= 2**62:
            number, size = _counted(number)
        number *= width
        number += rows.columns[name].codes
        size *= width
    number, count = _counted(number)
    first = np.empty(count, dtype=np.int64)
    first[number[::-1]] = np.arange(rows.count - 1, -1, -1)
    return Combinations(rows.frame(sorted(names), first), number)


def _counted(keys: "Numbers") -> tuple["Numbers", int]:
    import pandas as pd

    number, distinct = pd.factorize(keys)
    return number, len(distinct)


def every_row(rows: Rows, check: Check) -> Combinations:
    """Every row, for an expectation that compares rows: of words that must not come twice, their numbers."""
    import numpy as np
    import pandas as pd

    conditions = {*check.select, *check.where, *check.unless}
    compared = set(check.kwargs["column_list"]) - conditions if check.type == UNIQUE else set()
    frame = {name: rows.at(name, slice(None)) for name in used_columns(check) - compared}
    frame |= {name: pd.Series(rows.columns[name].codes, copy=False) for name in sorted(compared)}
    return Combinations(pd.DataFrame(frame, copy=False), np.arange(rows.count))


def judged_together(
    rows: Rows, checks: Iterable[Check]
) -> Iterator[tuple[Sequence[Check], Combinations]]:
    """The checks in parts, each with the combinations that decide it.

    Checks go together that read the same long columns, so that the combinations stay few.
    """
    parts: dict[Collection[str], list[Check]] = defaultdict(list)
    for check in checks:
        if check.type not in BY_ROW:
            yield [check], every_row(rows, check)
            continue
        used = used_columns(check)
        parts[frozenset(name for name in used if _is_long(rows.columns[name]))].append(check)
    for part in parts.values():
        for start in range(0, len(part), AT_ONCE):
            some = part[start : start + AT_ONCE]
            yield some, combinations(rows, frozenset().union(*map(used_columns, some)))


def _is_long(column: Column) -> bool:
    return len(column.values) > LONG


def gather(batches: "pa.RecordBatchReader", count: int) -> Rows:
    """The rows of record batches; `position` says the place of each, in whatever order they come.

    Raises `ImnmFhirError` where a place of the `count` has no row: nothing would be known of it.
    """
    import numpy as np
    import pyarrow as pa

    fields = [field for field in batches.schema if field.name != "position"]
    known: dict[str, Any] = {field.name: pa.array([], field.type) for field in fields}
    codes: dict[str, Numbers] = {field.name: np.zeros(count, np.int8) for field in fields}
    seen = np.zeros(count, bool)
    for batch in batches:
        places = batch.column("position").to_numpy(zero_copy_only=False)
        seen[places] = True
        for name in known:
            known[name], found = _encoded(batch.column(name), known[name])
            wide = codes[name].astype(_wide_enough(len(known[name])), copy=False)
            wide[places] = found
            codes[name] = wide
    if not seen.all():
        raise ImnmFhirError("the rules were not given every row of the cohort; report it")
    return Rows({name: Column(_values(known[name]), codes[name]) for name in known}, count)


def _wide_enough(values: int) -> Any:
    import numpy as np

    return np.int8 if values <= 2**7 else np.int16 if values <= 2**15 else np.int32


def _encoded(column: "pa.Array", known: "pa.Array") -> tuple["pa.Array", "Numbers"]:
    """The distinct values, those `known` first, and for each row the number of its value."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = pc.dictionary_encode(column, null_encoding="encode")
    own, number = encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)
    at = pc.index_in(own, value_set=known)
    new = at.is_null()
    if not pc.any(new).as_py():
        return known, at.to_numpy()[number]
    fresh = own.filter(new)
    place = at.fill_null(0).to_numpy(zero_copy_only=False).copy()
    place[new.to_numpy(zero_copy_only=False)] = np.arange(len(known), len(known) + len(fresh))
    return pa.concat_arrays([known, fresh]), place[number]


def _values(column: "pa.Array") -> "pd.Series":
    """Values as the suites compare them: numbers float64, days datetime64[ns], truth as words."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_boolean(kind):
        column = pc.if_else(column, "true", "false")
        kind = column.type
    if pa.types.is_date(kind):
        bounds = [pa.scalar(day, pa.date32()) for day in (FIRST_DAY, LAST_DAY)]
        column = pc.min_element_wise(column, bounds[1], skip_nulls=False)
        column = pc.max_element_wise(column, bounds[0], skip_nulls=False)
        return pd.Series(column.cast(pa.timestamp("ns")).to_pandas())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pd.Series(column.cast(pa.float64()).to_pandas())
    return pd.Series(column.to_numpy(zero_copy_only=False), dtype="object")
