"""What kind of file was given: its bytes, and a clear word where it is no table."""

import io
import zipfile
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers.tables import Source

ZIP, OLE, GZIP = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x1f\x8b"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the stream that holds a protected workbook
EXCEL_NAMES = (".xlsx", ".xlsm", ".xltx", ".xltm")
PDF, RTF = b"%PDF", b"{\\rtf"
COPIED = "open it, copy its table into a spreadsheet and save that as .xlsx or CSV"
SAVED = "open it and save it as .xlsx or CSV"
DOCUMENTS = {  # a part that every archive of the kind holds: what it is, and what to do
    "word/document.xml": ("a Word document", COPIED),
    "ppt/presentation.xml": ("a PowerPoint file", COPIED),
    "content.xml": ("an OpenDocument file", SAVED),
    "xl/workbook.bin": ("a binary Excel workbook (.xlsb)", SAVED),
}


def check_kind(source: Source, content: bytes) -> None:
    """Raise `ImnmFhirError` for a file that is neither text nor an Excel workbook that can be read."""
    if content.startswith(OLE) and ENCRYPTED in content:
        raise source.error("it is protected by a password; save it without one")
    if content.startswith(OLE):
        raise source.error("it is an Excel file of the old .xls kind; save it as .xlsx or CSV")
    if content.startswith(PDF):
        raise source.error(f"it is a PDF; {COPIED}")
    if content.startswith(RTF):
        raise source.error(f"it is a text document; {COPIED}")
    if content.startswith(ZIP):
        _check_archive(source, content)
    if content.startswith(GZIP):
        raise source.error("it is compressed; unpack it first")
    if content.lstrip()[:5].lower() in (b"<html", b"<!doc", b"<?xml"):
        raise source.error("it is a web page or XML, whatever its name; save it as .xlsx or CSV")


def read_content(path: Path) -> bytes:
    """The bytes of a file; raises `ImnmFhirError` where it cannot be read or is empty."""
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


def _check_archive(source: Source, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        return  # said where the workbook is read
    for name, (kind, advice) in DOCUMENTS.items():
        if name in names:
            raise source.error(f"it is {kind}; {advice}")
