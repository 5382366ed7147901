"""What openpyxl does not tell of a sheet: merged cells, and formulas without a stored value."""

import io
import posixpath
import re
import zipfile
from xml.etree import ElementTree

from imnm_fhir.readers.tables import Source

MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*\bref="([A-Z]+([0-9]+)(?::[A-Z]+([0-9]+))?)"')
# A cell with a formula and nothing, or an empty value, after it.
FORMULA_ONLY = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
CELL_NAME = re.compile(rb'\br="([A-Z]+([0-9]+))"')
RELATION_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def sheet_parts(content: bytes) -> dict[str, bytes]:
    """The XML of each sheet by its title."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
        parts = {}
        for element in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter():
            target = targets.get(element.get(RELATION_ID))
            name = posixpath.normpath(posixpath.join("/xl", target or "")).lstrip("/")
            if element.tag.endswith("}sheet") and name in archive.namelist():
                parts[element.get("name", "")] = archive.read(name)
        return parts


def check_sheet(source: Source, xml: bytes, header_row: int) -> None:
    """Raise `ImnmFhirError` for cells that would be blank though the sheet shows something."""
    for found in MERGED.finditer(xml):
        if int(found[3] or found[2]) >= header_row:
            raise source.error(
                f"cells {found[1].decode()} are merged, so all but the first are blank; unmerge "
                "them and repeat the value; if they are titles above the header, say in which row the "
                "header stands (new-site --header-row, or header_row in the mapping)"
            )
    check_formulas(source, xml)


def check_formulas(source: Source, xml: bytes) -> None:
    """Raise `ImnmFhirError` for a formula whose value is not stored."""
    for found in FORMULA_ONLY.finditer(xml):
        name = CELL_NAME.search(found[1])
        if b't="str"' in found[1]:  # a formula whose stored value is blank text
            continue
        where = f"cell {name[1].decode()} has" if name else "a cell has"
        raise source.error(
            f"{where} a formula without a stored value; open and save it in Excel, or paste values",
            int(name[2]) if name else None,
        )


def merged_cells(xml: bytes) -> list[tuple[int, int, int, int]]:
    """First and last row (as shown), first and last column (the first being 0) of all merged cells."""
    from openpyxl.utils import range_boundaries

    return [
        (top or 1, bottom or 1, (left or 1) - 1, (right or 1) - 1)
        for found in MERGED.finditer(xml)
        for left, top, right, bottom in [range_boundaries(found[1].decode())]
    ]
