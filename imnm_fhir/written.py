"""Files that we write for people: CSV and Excel that no spreadsheet runs, replaced in one step.

A cell that a spreadsheet would take for a formula gets a leading apostrophe, in CSV and Excel
alike (OWASP, CSV injection); `read_own_csv` takes it off again. Numbers given as int or Decimal
stay numbers.
"""

import csv
import errno
import gc
import hashlib
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from numbers import Integral
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import make_private_file

if TYPE_CHECKING:
    from openpyxl import Workbook

Cell = str | int | Decimal | bool | date | None

TO_ESCAPE = re.compile(r"'*[=+\-@\t\r]")
ESCAPED = re.compile(r"'+[=+\-@\t\r]")
EXCEL_ROWS, EXCEL_TEXT, EXCEL_DIGITS = 1_048_576, 32_767, 15
NOT_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
WIDEST = 60


def escape_cell(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would run it or drop one of ours."""
    return f"'{text}" if TO_ESCAPE.match(text) else text


def unescape_cell(text: str) -> str:
    """The text that `escape_cell` was given."""
    return text[1:] if ESCAPED.match(text) else text


@contextmanager
def replace_atomically(path: Path, private: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` when all went well.

    A `private` file is there already, empty, and its owner's alone from its first byte on; any other
    keeps the permissions of the file that it replaces. On any error, Ctrl-C included, the unfinished
    file is removed and the old one stays as it was.
    Raises `ImnmFhirError` where the disk is full or the place cannot be written to.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    unfinished = target.with_name(f".{target.stem}.{token_hex(4)}.part{target.suffix}")
    try:
        if private:
            make_private_file(unfinished)
        yield unfinished
        if target.exists() and not private:
            shutil.copymode(target, unfinished)
        os.replace(unfinished, target)
    except OSError as error:
        if error.filename not in (None, str(unfinished), str(target)):
            raise  # another file's error, not ours to explain
        raise ImnmFhirError(f"{path}: cannot be written: {reason(error, target)}") from error
    finally:
        remove_unfinished(unfinished)


@contextmanager
def replace_together(folder: Path) -> Iterator[Callable[[str], Path]]:
    """Yield a function that names where to write each file; all take their places together.

    The files are put in place in the order in which they were named. On any error, Ctrl-C
    included, every old file is back in its place and no new one stays.
    """
    parts: dict[str, Path] = {}
    aside: dict[str, Path] = {}

    def part(name: str) -> Path:
        parts[name] = folder / f".{name}.{token_hex(4)}.part"
        return parts[name]

    try:
        yield part
        for name, new in parts.items():
            aside[name] = new.with_suffix(".old")
            if (folder / name).exists():
                os.replace(folder / name, aside[name])
            os.replace(new, folder / name)
    except BaseException as error:
        for name, old in aside.items():
            if old.exists():
                os.replace(old, folder / name)
            elif not parts[name].exists():
                remove_unfinished(folder / name)
        if isinstance(error, OSError):
            said = reason(error, folder / "file")
            raise ImnmFhirError(f"{folder}: cannot be written: {said}") from error
        raise
    finally:
        for path in (*parts.values(), *aside.values()):
            remove_unfinished(path)


def remove_unfinished(path: Path) -> None:
    """Remove a file that was not finished; where the disk lets nothing be written there is none."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes that write here; the system lets go when one dies.

    Raises `ImnmFhirError` where another one holds it. A disk without locks goes unguarded.
    """
    if os.name != "posix":  # Windows does not lock folders
        yield
        return
    import fcntl

    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImnmFhirError(
                f"{folder}: another imnm-fhir is writing here; wait until it has finished"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EBADF):
                raise
        yield
    finally:
        os.close(place)


def reason(error: OSError, target: Path) -> str:
    """Why a file could not be written, and what to do."""
    if error.errno == errno.ENAMETOOLONG:
        return "its name or path is too long; choose a shorter one"
    if target.is_dir():
        return "it is a folder; name a file"
    if not target.parent.is_dir():
        return f"the folder {target.parent.name} does not exist; make it first"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission; choose another place, or close the program that holds it open"
    return f"{error.strerror or error}; choose another place"


def file_hash(path: Path) -> str:
    """SHA-256 of a file (64 hex digits), read in chunks."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]], private: bool = False
) -> None:
    """Write a UTF-8 CSV file with a byte order mark, which Excel needs to show accents.

    A `private` one is its owner's alone.
    None becomes a blank cell, booleans `true` and `false`, dates ISO, Decimal its plain text.
    """
    with (
        replace_atomically(path, private) as unfinished,
        unfinished.open("w", encoding="utf-8-sig", newline="") as lines,
    ):
        writer = csv.writer(lines)
        writer.writerow([escape_cell(name) for name in header])
        writer.writerows([_csv_text(cell) for cell in _checked(row, header)] for row in rows)


def _checked(row: Sequence[Cell], header: Sequence[str]) -> Sequence[Cell]:
    if len(row) != len(header):
        raise ValueError(f"a row of {len(row)} cells under a header of {len(header)}")
    return row


def _csv_text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return escape_cell(cell)
        case bool():
            return "true" if cell else "false"
        case Decimal() if cell.is_finite():
            return f"{cell:f}"
        case Integral():
            return str(int(cell))
        case date():
            return cell.isoformat()
    raise TypeError(f"a cell may not be of type {type(cell).__name__}: give text, int or Decimal")


def read_own_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a file that `write_csv` wrote, by header, as text, without the escaping.

    Raises `ImnmFhirError` where the file cannot be read or a row has too many or too few cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            records = [[unescape_cell(cell) for cell in row] for row in csv.reader(lines)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not a CSV file in UTF-8"
        raise ImnmFhirError(f"{path}: cannot be read: {reason}; give a file of ours") from error
    if not records:
        raise ImnmFhirError(f"{path}: is empty; a file of ours has a header at least")
    header, *rows = records
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ImnmFhirError(
                f"{path}, row {number}: {len(row)} cells, the header has {len(header)}; "
                "restore the row or write the file again"
            )
    return [dict(zip(header, row, strict=True)) for row in rows]


def write_excel(
    path: Path,
    sheets: Mapping[str, tuple[Sequence[str], Iterable[Sequence[Cell]]]],
    private: bool = False,
) -> None:
    """Write an Excel workbook, one sheet per entry: bold frozen header, filter, fitting widths.

    A `private` one is its owner's alone. A number of more than 15 digits is written as text, since
    Excel would change it. Raises `ImnmFhirError` where a sheet has more rows, or a cell more text, than Excel holds.
    """
    from openpyxl import Workbook

    # Every cell is made before the first is written: openpyxl cannot drop a sheet half-way.
    ready: dict[str, list[list[Cell]]] = {
        title: [
            [_excel_text(path, name) for name in header],
            *([excel_cell(path, cell) for cell in _checked(row, header)] for row in rows),
        ]
        for title, (header, rows) in sheets.items()
    }
    for cells in ready.values():
        if len(cells) > EXCEL_ROWS:
            raise ImnmFhirError(f"{path}: {len(cells)} rows are more than Excel holds; write CSV")

    def book() -> Workbook:
        made = Workbook(write_only=True)
        for title, cells in ready.items():
            _write_sheet(made.create_sheet(title), cells)
        return made

    save_workbook(path, book, private)


def save_workbook(path: Path, make: "Callable[[], Workbook]", private: bool = False) -> None:
    """Make a workbook of openpyxl and put it into the place of `path` in one step.

    A `private` one is its owner's alone.

    Raises `ImnmFhirError` where the disk is full or the place cannot be written to; openpyxl fills
    files of its own in the temporary folder first.
    """
    try:
        with replace_atomically(path, private) as unfinished:
            _save(make, unfinished)
    except OSError as error:
        _drop_half_written(error)
        folder = Path(tempfile.gettempdir())
        raise ImnmFhirError(
            f"{path}: cannot be written: its sheets pass through {folder} (TMPDIR), and there: "
            f"{reason(error, folder / 'file')}"
        ) from None
    except ImnmFhirError as error:
        _drop_half_written(error.__cause__ or error)
        raise


def _save(make: "Callable[[], Workbook]", place: Path) -> None:
    make().save(place)


def _drop_half_written(error: BaseException) -> None:
    """Let openpyxl's unfinished sheets go at once: each would tell of its end on stderr later."""
    told, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
        gc.collect()
    finally:
        sys.unraisablehook = told


def _write_sheet(sheet: Any, cells: list[list[Cell]]) -> None:
    # openpyxl's stubs know neither the filter nor the widths of a write-only sheet: Any.
    from openpyxl.utils import get_column_letter

    header, *rows = cells
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(header))}{len(cells)}"
    for place, name in enumerate(header):
        longest = max([len(str(name)) + 3, *(len(_csv_text(row[place])) for row in rows[:500])])
        sheet.column_dimensions[get_column_letter(place + 1)].width = min(longest + 2, WIDEST)
    sheet.append([_bold(sheet, str(name)) for name in header])
    for row in rows:
        sheet.append(row)


def _bold(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(sheet, text)
    cell.font = Font(bold=True)
    return cell


def excel_cell(path: Path, cell: Cell) -> Cell:
    """The cell as it may stand in a workbook: escaped, a number of more than 15 digits as text."""
    if isinstance(cell, str):
        return _excel_text(path, escape_cell(cell))
    if isinstance(cell, date | bool) or cell is None:
        return cell
    text = _csv_text(cell)
    return text if len(text.strip("-0.").replace(".", "")) > EXCEL_DIGITS else cell


def _excel_text(path: Path, text: str) -> str:
    """The text with what XML cannot hold written as `_x0007_`, as Excel itself does."""
    if len(text) > EXCEL_TEXT:
        raise ImnmFhirError(f"{path}: a cell has more text than Excel holds; write CSV")
    return NOT_XML.sub(lambda found: f"_x{ord(found.group()):04X}_", text)
