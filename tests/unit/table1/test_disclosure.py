"""Small cells of a shared table: counted, hidden so that nothing gives them back, or refused."""

from dataclasses import replace

import pytest

from imnm_fhir.errors import FindingsError
from imnm_fhir.table1 import Cell, Column, Row, Table1, disclosed
from imnm_fhir.table1.disclosure import small_cells
from imnm_fhir.table1.statistics import Distribution

COLUMNS = (
    Column("overall", "overall", "All", 40),
    Column("a", "group", "A", 20),
    Column("b", "group", "B", 12),
    Column("c", "group", "C", 8),
)


def row(variable: str, value: str | None, *counts: tuple[int, int]) -> Row:
    cells = tuple(Cell(f"{n} of {tested}", n, tested) for n, tested in counts)
    return Row(variable, 1, variable, value, "", cells)


def table(*rows: Row) -> Table1:
    return Table1("T", "en", "variable", "empty", COLUMNS, rows, ("note",))


RELAPSE = row("relapse", None, (18, 40), (10, 20), (6, 12), (2, 8))


def texts(shared: Table1) -> list[list[str]]:
    return [[cell.text for cell in each.cells] for each in shared.rows]


def test_a_small_count_is_hidden_with_the_next_smallest_of_its_line() -> None:
    shared, said = disclosed(table(RELAPSE), "hide", 5)
    assert texts(shared) == [["18 of 40", "10 of 20", "*", "<5"]]
    assert said == "1 cell speaks of fewer than 5 patients (rule G03): hidden, with 1 more"
    assert shared.rows[0].cells[3].n is None


def test_nothing_of_a_hidden_cell_is_left_in_the_numbers() -> None:
    few = Cell("71 (36-80)", None, 3, Distribution(71, 40, 75, 36, 80))
    shared, _ = disclosed(table(Row("age", 1, "age", None, "", (few,) * 4)), "hide", 5)
    assert all(cell == Cell("*") for cell in shared.rows[0].cells)


def test_of_the_values_of_a_variable_never_one_alone_is_hidden() -> None:
    rows = [
        row("response", value, *counts)
        for value, counts in {
            "good": ((26, 40), (13, 20), (7, 12), (6, 8)),
            "bad": ((14, 40), (7, 20), (5, 12), (2, 8)),
        }.items()
    ]
    hidden = texts(disclosed(table(*rows), "hide", 5)[0])
    for place in range(4):
        column = [each[place] for each in hidden]
        assert sum(cell in ("*", "<5") for cell in column) != 1


def test_who_the_others_are_is_told_by_nearly_all_as_well() -> None:
    assert small_cells(table(row("weak", None, (38, 40), (20, 20), (12, 12), (6, 8))), 5) == {
        (0, 0),
        (0, 3),
    }


def test_nothing_and_the_limit_itself_are_no_small_cells() -> None:
    assert small_cells(table(row("x", None, (5, 40), (0, 20), (5, 12), (0, 8))), 5) == set()


def test_warn_says_and_changes_nothing_permitted_says_nothing() -> None:
    shared, said = disclosed(table(RELAPSE), "warn", 5)
    assert shared == table(RELAPSE)
    assert said is not None
    assert "with permission only" in said
    assert disclosed(table(RELAPSE), "permitted", 5) == (table(RELAPSE), None)


def test_the_size_of_a_small_group_is_hidden_with_the_next_smallest() -> None:
    columns = (*COLUMNS[:3], Column("c", "group", "C", 3))
    shared, _ = disclosed(
        replace(table(row("x", None, *[(9, 20)] * 4)), columns=columns), "hide", 5
    )
    assert [each.size for each in shared.columns] == ["n=40", "n=20", "n *", "n <5"]


def test_refuse_stops() -> None:
    with pytest.raises(FindingsError, match="rule G03"):
        disclosed(table(RELAPSE), "refuse", 5)
