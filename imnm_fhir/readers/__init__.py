"""Files of a site to tables of text; nothing is converted and nothing is guessed in silence."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers.delimited import read_delimited
from imnm_fhir.readers.excel import read_workbook
from imnm_fhir.readers.tables import Source, TextTable

__all__ = ["TextTable", "read_tables"]

ZIP, OLE, GZIP = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x1f\x8b"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the stream that holds a protected workbook
EXCEL_NAMES = (".xlsx", ".xlsm", ".xltx", ".xltm")


def read_tables(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheets: Sequence[str] | None = None,
    header_row: int = 1,
) -> list[TextTable]:
    """The tables of a CSV or TSV file (one) or of an Excel workbook (one per sheet).

    Encoding and delimiter are detected unless given, and said in the table; `sheets` names the
    sheets to read, else every visible one with cells. Cells are text, exactly as the site wrote
    them, without outer white space. Raises `ImnmFhirError`, one line with file, row, what is wrong
    and what to do, for anything that is no such table.
    """
    content = _content(path)
    source = Source(path.name, None, hashlib.sha256(content).hexdigest())
    _check_kind(source, content)
    if content.startswith(ZIP):
        return read_workbook(source, content, sheets, header_row)
    if path.suffix.lower() in EXCEL_NAMES:
        raise source.error("it is no Excel workbook, or a damaged one; save it again")
    if sheets:
        raise source.error("it has no sheets, the mapping names some; remove them from the mapping")
    return [read_delimited(source, content, encoding, delimiter, header_row)]


def _check_kind(source: Source, content: bytes) -> None:
    if content.startswith(OLE) and ENCRYPTED in content:
        raise source.error("it is protected by a password; save it without one")
    if content.startswith(OLE):
        raise source.error("it is an Excel file of the old .xls kind; save it as .xlsx or CSV")
    if content.startswith(GZIP):
        raise source.error("it is compressed; unpack it first")
    if content.lstrip()[:5].lower() in (b"<html", b"<!doc", b"<?xml"):
        raise source.error("it is a web page or XML, whatever its name; save it as .xlsx or CSV")


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ImnmFhirError(f"{path.name}: there is no such file; check name and folder") from None
    except IsADirectoryError:
        raise ImnmFhirError(f"{path.name}: it is a folder; name the file inside it") from None
    except PermissionError:
        raise ImnmFhirError(
            f"{path.name}: no permission to read it; change it or copy it"
        ) from None
    except OSError as error:
        raise ImnmFhirError(f"{path.name}: cannot be read: {error.strerror}; try a copy") from error
    if not content:
        raise ImnmFhirError(f"{path.name}: it is empty; send the file with its header and rows")
    return content
