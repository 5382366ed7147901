"""A small site in memory: a mapping from a few lines of TOML, tables from a few cells."""

from collections.abc import Mapping, Sequence
from typing import Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.harmonise import harmonise_tables
from imnm_fhir.readers import TextTable
from imnm_fhir.sites import SiteMapping, parse_site_mapping

HEAD = """\
[site]
id = "here"
name = "Here"
country = "ES"
language = "es"
legal_basis = "synthetic data"
[patients]
identifier = "pseudonym"
pseudonymise = "keep"
[delivery]
cut_off = "2022-06-30"
kind = "full"
"""
STYLES = """\
[format]
decimal = ","
thousands = "."
date_order = "dmy"
"""
FILE = """\
[[file]]
name = "site.csv"
patient = "ID"
"""
SEX = '"Sexo" = { element = "sex", words = { M = "female", V = "male" } }\n'


def site_text(columns: str, styles: str = STYLES, more: str = "", file: str = FILE) -> str:
    """A mapping's text: head, styles, one file with the patient, `columns`, and `more` after it."""
    return f"{HEAD}{styles}{file}[file.columns]\n{columns}\n{more}"


def site(columns: str, styles: str = STYLES, more: str = "", file: str = FILE) -> SiteMapping:
    """The mapping of `site_text`."""
    return parse_site_mapping(site_text(columns, styles, more, file), "site.toml")


def table(
    columns: Mapping[str, Sequence[str]],
    file: str = "site.csv",
    sheet: str | None = None,
    typed: Mapping[str, frozenset[int]] | None = None,
) -> TextTable:
    """A table as the readers give it, the header in row 1."""
    lists = {header: list(cells) for header, cells in columns.items()}
    size = len(next(iter(lists.values())))
    return TextTable(
        file=file,
        sheet=sheet,
        header=tuple(lists),
        columns=lists,
        row_numbers=list(range(2, size + 2)),
        typed=dict(typed or {}),
        sha256="0" * 64,
        said=(),
    )


def patients(columns: Mapping[str, Sequence[str]], **how: Any) -> TextTable:
    """A table of one row per patient P1, P2, ..., all women."""
    size = len(next(iter(columns.values())))
    names = [f"P{number}" for number in range(1, size + 1)]
    return table({"ID": names, "Sexo": ["M"] * size, **columns}, **how)


def rows(cohort: Cohort, name: str) -> list[dict[str, Any]]:
    """The rows of a table without nulls, id, site and provenance."""
    hidden = ("id", "site", "file", "sheet", "row", "column")
    return [
        {key: value for key, value in row.items() if value is not None and key not in hidden}
        for row in cohort.tables[name].to_pylist()
        if row.get("element") != "legal_basis"
    ]


def one_cell(column: str, cell: str, styles: str = STYLES, **others: str) -> Cohort:
    """The cohort of one patient with one more cell under the column `X`, and perhaps others."""
    cells = {"X": [cell], **{name: [text] for name, text in others.items()}}
    return harmonise_tables([patients(cells)], site(SEX + column, styles))


def sources(cohort: Cohort) -> list[dict[str, Any]]:
    """The counts of each table."""
    found: list[dict[str, Any]] = cohort.manifest["sites"]["here"]["sources"]
    return found


CK = '"CPK" = { element = "ck", time_point = "baseline", unit = "U/L" }\n'
LONG = """\
[[file]]
name = "long.csv"
patient = "ID"
record = "N"
[file.columns]
"Fecha" = { field = "date" }
"CK" = { element = "ck", unit = "U/L" }
"""
DATED = LONG.replace('record = "N"\n', "")


def long_table(*lines: tuple[str, str, str, str]) -> TextTable:
    """Rows of patient, record, date and CK."""
    names = ("ID", "N", "Fecha", "CK")
    return table(dict(zip(names, zip(*lines, strict=True), strict=True)), file="long.csv")


def issues(cohort: Cohort) -> list[tuple[str, str, int | None, str | None]]:
    return [(each.rule, each.kind, each.row, each.column) for each in cohort.issues]


def counts(cohort: Cohort, place: int = 0) -> tuple[int, int, int, int]:
    source = sources(cohort)[place]
    return tuple(source[f"rows_{name}"] for name in ("in", "clean", "with_issue", "refused"))


def assert_adds_up(cohort: Cohort) -> None:
    for source in cohort.manifest["sites"]["here"]["sources"]:
        rows_out = source["rows_clean"] + source["rows_with_issue"] + source["rows_refused"]
        cells_out = source["cells_values"] + source["cells_missing"] + source["cells_issues"]
        assert (source["rows_in"], source["cells_in"]) == (rows_out, cells_out)
