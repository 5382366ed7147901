"""The site's own header of a field, for cells that are blank: they stand in no list of cells."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Place
from imnm_fhir.issues import Issue
from imnm_fhir.queries.model import Target

Column = tuple[str | None, str | None, str | None]  # file, sheet, header


@dataclass
class Headers:
    """Which field the site's columns fill, and which column a field is filled from."""

    cohort: Cohort
    _columns: dict[tuple[str | None, ...], str | None] = field(default_factory=dict)

    @cached_property
    def _fields(self) -> Mapping[Column, set[tuple[str, str]]]:
        """Each column with the fields that it fills: all cells are looked through, at the first question."""
        fields: dict[Column, set[tuple[str, str]]] = defaultdict(set)
        if self.cohort.cells is None:
            return fields
        import pyarrow as pa

        names = ("file", "sheet", "column", "table", "field")
        table = self.cohort.cells.table().select(list(names))
        plain = pa.table({name: table[name].cast(pa.string()) for name in names})
        for row in plain.group_by(list(names)).aggregate([]).to_pylist():
            column = (row["file"], row["sheet"], row["column"])
            fields[column].add((row["table"], row["field"]))
        return fields

    def field_of(self, issue: Issue) -> str | None:
        """The field that the column of an issue fills; None where it fills several, or none."""
        fields = self._fields.get((issue.file, issue.sheet, issue.column), set())
        mine = {name for table, name in fields if issue.table in (None, table)}
        return mine.pop() if len(mine) == 1 else None

    def target_of_issue(self, issue: Issue) -> Target:
        """The cell that could not be read."""
        return Target(
            table=issue.table,
            element=issue.element,
            time_point=issue.time_point,
            n=issue.n,
            field=self.field_of(issue) if issue.element else None,
            file=issue.file,
            sheet=issue.sheet,
            row=issue.row,
            column=issue.column,
            word=issue.value,
        )

    def target_of_place(self, place: Place) -> Target:
        """The cell of a finding; a blank one gets the header under which it stands."""
        target = Target(
            table=place.table,
            element=place.element,
            time_point=place.time_point,
            n=place.n,
            field=place.field,
            file=place.file,
            sheet=place.sheet,
            row=place.row,
            column=place.column,
            word=place.word,
            value=place.value,
        )
        if place.word is not None:
            return target
        return replace(target, column=self.header(target) or place.column)

    def header(self, target: Target) -> str | None:
        """The one header under which a field of an element stands; None where there are several."""
        key = (target.table, target.element, target.time_point, target.field, target.file)
        if key not in self._columns:
            found = self._headers(target)
            self._columns[key] = found.pop() if len(found) == 1 else None
        return self._columns[key]

    def _headers(self, target: Target) -> set[str]:
        """The headers over the same field of the same element in other rows."""
        if self.cohort.cells is None or target.table is None:
            return set()
        if target.table == "patients":
            return {
                str(column[2])
                for column, fields in self._fields.items()
                if ("patients", target.field) in fields and target.file in (None, column[0])
            }
        rows = self.cohort.cells.table(self._ids(target)).to_pylist()
        return {row["column"] for row in rows if row["field"] == target.field}

    def _ids(self, target: Target) -> list[str]:
        import pyarrow.compute as pc

        table: Any = self.cohort.tables[str(target.table)]
        mine = table.filter(pc.equal(table["element"], target.element))
        if target.time_point:
            mine = mine.filter(pc.equal(mine["time_point"], target.time_point))
        ids: list[str] = mine["id"].to_pylist()
        return ids
