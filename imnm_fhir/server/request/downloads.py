"""A download to a file: piece by piece, resumed where it broke off, unpacked at the end.

What came stands in a `.part` file as it was sent, with gzip or without, since that is what the
server counts bytes of. Beside it stands what tells whether the server still has the same file.
"""

import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server.request.limits import Limit
from imnm_fhir.server.request.options import MEGABYTE
from imnm_fhir.server.request.retries import Patience
from imnm_fhir.server.request.transport import PIECE, LostError, Response, Transport

if TYPE_CHECKING:
    import requests

    from imnm_fhir.server.request.transport import Taker

    Fetch = Callable[[Mapping[str, str], Taker, float], Response]

_HEADWAY = PIECE  # bytes that must come within the patience


@dataclass(frozen=True)
class Download:
    """What came of a download.

    `response` is the answer, its body empty once it is in the file; `written` are the bytes of the
    file, `transferred` those that crossed the network, repeats included.
    """

    response: Response
    written: int
    transferred: int


@dataclass(frozen=True)
class Wanted:
    """What is to be fetched, whereto, how large it may be, and who is told of each piece."""

    url: str = field(repr=False)  # its query may be a key to the file
    path: Path
    limit: int | None
    progress: Callable[[int], None]


@dataclass
class _Part:
    """The file that grows: how much of it there is, and the headers that say which it is."""

    wanted: Wanted
    size: int = 0
    validator: str = ""
    encoding: str = ""
    transferred: int = 0

    @property
    def path(self) -> Path:
        return self.wanted.path.with_name(self.wanted.path.name + ".part")

    @property
    def about(self) -> Path:
        return self.wanted.path.with_name(self.wanted.path.name + ".part.json")

    def same(self) -> str:
        """What names the address without repeating it."""
        return hashlib.sha256(self.wanted.url.encode()).hexdigest()

    def find(self) -> None:
        """Take up what an earlier call has left, when it is of the same address."""
        try:
            about = json.loads(self.about.read_text("utf-8"))
            if about["url"] == self.same() and about["validator"]:
                self.validator, self.encoding = str(about["validator"]), str(about["encoding"])
                self.size = self.path.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            self.size = 0

    def start(self, answer: "requests.Response") -> None:
        """Begin anew with what this answer says of the file."""
        tag, changed = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
        self.size = 0
        self.validator = tag if tag and not tag.startswith("W/") else changed
        self.encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        about = {"url": self.same(), "validator": self.validator, "encoding": self.encoding}
        self.about.write_text(json.dumps(about), "utf-8")

    def drop(self) -> None:
        """Forget what came: it is not what the server has now."""
        self.size, self.validator = 0, ""
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def headers(self) -> dict[str, str]:
        """The headers that ask for the rest, none when all must come."""
        if not self.size or not self.validator:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self.validator}


def download_file(
    wanted: Wanted, fetch: "Fetch", patience: Patience, transport: Transport
) -> Download:
    """Return what came of the download; see `Connection.download`, which calls this.

    `fetch` makes one attempt with further headers and a reader of the body.
    """
    part = _Part(wanted)
    moved_to = written = 0

    def attempt(seconds: float) -> Response:
        nonlocal written

        def take(answer: "requests.Response", limit: Limit) -> bytes:
            if answer.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                return transport.read(answer)
            _receive(part, answer, limit, patience)
            return b""

        response = fetch(part.headers(), take, seconds)
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
            part.drop()
            raise LostError("its file has changed")
        if response.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            written = _finish(part)
            return Response(HTTPStatus.OK, response.headers, b"", response.url)
        return response

    def moved() -> bool:
        nonlocal moved_to
        before, moved_to = moved_to, part.transferred
        return part.transferred - before >= _HEADWAY

    try:
        part.find()
        response = patience.persist(attempt, moved)
    except OSError as error:
        raise ImnmFhirError(
            f"{error.filename or wanted.path}: cannot be written ({error.strerror}): free space or "
            "choose another folder; what came is kept and the download resumed"
        ) from None
    return Download(response, written, part.transferred)


def _receive(part: _Part, answer: "requests.Response", limit: Limit, patience: Patience) -> None:
    """Append the body to the part, or begin it anew when the server sends all of it."""
    if answer.status_code == HTTPStatus.OK:
        part.start(answer)
    elif not re.match(rf"bytes {part.size}-\d+/", answer.headers.get("Content-Range", "")):
        part.drop()
        raise LostError("it sends another part of the file than was asked for")
    headway = 0
    with part.path.open("r+b" if part.size else "wb") as file:
        file.seek(part.size)
        while piece := answer.raw.read1(PIECE, decode_content=False):
            file.write(piece)
            part.size += len(piece)
            part.transferred += len(piece)
            headway += len(piece)
            _check_size(part.wanted, part.size)
            part.wanted.progress(len(piece))
            if headway >= _HEADWAY:
                headway = 0
                limit.extend(patience.ends)
            if monotonic() >= patience.ends:
                raise LostError("it was still sending")


def _finish(part: _Part) -> int:
    """Give the file its name, unpacked; return its bytes."""
    target = part.wanted.path
    if part.encoding in ("gzip", "x-gzip"):
        unpacked = target.with_name(target.name + ".unpacked")
        try:
            with part.path.open("rb") as packed, unpacked.open("wb") as file:
                _unpack(part.wanted, packed, file)
            os.replace(unpacked, target)
        except (zlib.error, EOFError):
            part.drop()
            raise LostError("its answer is no whole gzip") from None
        finally:
            unpacked.unlink(missing_ok=True)
        part.path.unlink()
    elif part.encoding in ("", "identity"):
        os.replace(part.path, target)
    else:
        part.drop()
        raise ServerError(
            "the server packs its files in a way that was not asked for: ask for gzip"
        )
    part.about.unlink(missing_ok=True)
    return target.stat().st_size


def _unpack(wanted: Wanted, packed: BinaryIO, file: BinaryIO) -> None:
    """Write what `packed` holds, member after member, piece by piece however well it is packed."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    size, began, data = 0, False, packed.read(PIECE)
    while data:
        piece = reader.decompress(data, PIECE)
        began = True
        size += len(piece)
        _check_size(wanted, size)
        file.write(piece)
        data = reader.unconsumed_tail
        if reader.eof:
            data = reader.unused_data or packed.read(PIECE)
            reader, began = zlib.decompressobj(zlib.MAX_WBITS | 16), False
        data = data or packed.read(PIECE)
    if began:
        raise EOFError


def _check_size(wanted: Wanted, size: int) -> None:
    if wanted.limit is not None and size > wanted.limit:
        raise ServerError(
            f"{wanted.path.name}: the file that the server sends is larger than "
            f"{wanted.limit / MEGABYTE:g} MB: allow more, or ask who runs the server"
        )
