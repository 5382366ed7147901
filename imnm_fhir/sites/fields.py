"""The fields of the five tables: of which kind they are, and where their missing reason goes."""

from imnm_fhir.dictionary import PROVENANCE, Dictionary, Element, Table

DOSE = "dose"  # one administration or per time, as its unit says
# Fields that describe a value and make no row by themselves.
BESIDE = {
    "observations": {"date", "method", "reference_high", "unit"},
    "medications": {"route", "reason", "phase", "dose_unit", "rate_unit", "unit"},
}
MADE_HERE = {"site", "patient", "element", "time_point", "n", "id", "comparator", *PROVENANCE}
COUNTS = ("reference_high", "sessions")


def fields_of(table: Table, element: Element | None = None) -> tuple[str, ...]:
    """The fields that a column of a site may fill; a fact of the patient has its own alone."""
    own = [
        name
        for name in table.columns
        if name not in MADE_HERE and name != "missing" and not name.endswith(("_missing", "_unit"))
    ]
    if table.name == "patients" and element is not None:
        return tuple(name for name in own if name.startswith(element.name))
    return (*own, *((DOSE, "unit") if table.name == "medications" else ()))


def kind_of(dictionary: Dictionary, table: str, field: str) -> str:
    """Which of the kinds of a reading the field is."""
    if field == "element":
        return "element"
    if field == DOSE or field.endswith("_number") or field in COUNTS:
        return "number"
    if field == "value_code" or field in dictionary.column_value_sets:
        return "code"
    if dictionary.tables[table].types.get(field) == "boolean":
        return "boolean"
    if field == "date" or field.endswith("_date"):
        return "date"
    return "unit" if field == "unit" or field.endswith("_unit") else "text"


def carries(table: str, field: str) -> bool:
    """Whether a cell of this field can make a row by itself."""
    return field not in BESIDE.get(table, set())


def reason_field(table: Table, field: str) -> str | None:
    """The column for the reason why the field is missing; None where the table has no place."""
    if table.name == "observations":
        return "missing" if field.startswith("value_") else None
    starts = (field, field.removesuffix("_date"), field.split("_")[0])
    return next((f"{each}_missing" for each in starts if f"{each}_missing" in table.columns), None)


def default_field(element: Element) -> str | None:
    """The field of a column that names none; None where the element has several."""
    if element.type == "event":
        return None
    return element.column
