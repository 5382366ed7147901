"""A proxy between our client and a real server that does wrong on demand: the faults of the matrix.

A test gives it a script, a function that is handed each request on its way. What the script does not
touch passes through; what it does is exact: this request, this byte. mitmproxy and toxiproxy can do the
same, but the first holds back versions of our lock and the second is a binary of its own to install.
"""

import http.client
import io
import itertools
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_TRANSACTION = re.compile(rb'^\{"resourceType":"Bundle","type":"transaction"')
_UPSTREAM_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """A status, headers but those of the connection, and a whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answer(status: int, body: str = "", **headers: str) -> Answer:
    """An answer in FHIR's JSON; headers with `_` for `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"Content-Type": "application/fhir+json", **given}, body.encode())


def outcome(status: int, said: str, **headers: str) -> Answer:
    """An OperationOutcome with one error."""
    issue = f'[{{"severity":"error","code":"processing","diagnostics":"{said}"}}]'
    return answer(status, f'{{"resourceType":"OperationOutcome","issue":{issue}}}', **headers)


class Exchange:
    """One request on its way; `number` counts those of one script from 1."""

    def __init__(self, proxy: "Proxy", handler: BaseHTTPRequestHandler, number: int) -> None:
        """Read nothing of the body yet."""
        self.number = number
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers)
        self.settled = False
        self._proxy = proxy
        self._handler = handler
        self._body: bytes | None = None

    @property
    def host(self) -> str:
        """The host and port that the client asked."""
        return self.headers["Host"]

    @property
    def body(self) -> bytes:
        """The whole body of the request."""
        if self._body is None:
            read = self._handler.rfile.read
            self._body = b"".join(read(step) for step in self._steps(self._length()))
        return self._body

    def _steps(self, length: int) -> Iterator[int]:
        """The sizes of the pieces in which so many bytes go at the speed of the line."""
        speed = self._proxy.bytes_a_second
        piece = speed // 20 or length or 1
        for at in range(0, length, piece):
            yield min(piece, length - at)
            time.sleep(0.05 if speed else 0)

    @property
    def writes(self) -> bool:
        """Whether it is a transaction of ours: no read, and no batch of reads."""
        return self.method == "POST" and bool(_TRANSACTION.match(self.body))

    def forward(self, path: str | None = None) -> Answer:
        """What the server answers to it, unpacked; the connection is reset where the server is away."""
        host, port = urlsplit(self._proxy.upstream).netloc.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=_UPSTREAM_SECONDS)
        left_out = {*_OF_ONE_CONNECTION, "accept-encoding"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in left_out}
        try:
            connection.request(self.method, path or self.path, self.body or None, headers)
            got = connection.getresponse()
            kept = {k: v for k, v in got.getheaders() if k.lower() not in _OF_ONE_CONNECTION}
            return Answer(got.status, kept, got.read())
        finally:
            connection.close()

    def send(self, answer: Answer, first: int | None = None) -> None:
        """Answer with it, or with only the `first` bytes of the body, whose length is said in full."""
        self.settled = True
        _ = self.body  # or it would be read as the next request
        self._handler.send_response(answer.status)
        for name, value in answer.headers.items():
            self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(len(answer.body)))
        self._handler.end_headers()
        left = io.BytesIO(answer.body[:first])
        for step in self._steps(len(left.getvalue())):
            self._handler.wfile.write(left.read(step))

    def read_half(self) -> None:
        """Take in a half of the body, no more."""
        self._handler.rfile.read(self._length() // 2)

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        self.settled = True
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.rfile.close()
        connection.close()
        self._handler.close_connection = True

    def _length(self) -> int:
        return int(self.headers.get("Content-Length", 0))


Script = Callable[[Exchange], None]


def pass_through(exchange: Exchange) -> None:
    """No fault."""


@dataclass
class Proxy:
    """A running proxy: `url` is the address for the client, `script` may be changed at any time.

    `upstream` is the base address of the server, `bytes_a_second` what the line carries (0: all).
    """

    url: str
    upstream: str
    script: Script = pass_through
    bytes_a_second: int = 0
    seen: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def play(self, script: Script) -> None:
        """Begin with a script: requests count from 1 again."""
        self._numbers = itertools.count(1)
        self.seen.clear()
        self.script = script

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        exchange = Exchange(self, handler, next(self._numbers))
        self.seen.append(f"{exchange.method} {exchange.path}")
        try:
            self.script(exchange)
            if not exchange.settled:
                exchange.send(exchange.forward())
        except (OSError, http.client.HTTPException):  # the server or the client has gone
            exchange.reset()


@contextmanager
def faulty_proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy to the server with the base address `upstream`, on a free port of this machine."""
    proxy = Proxy("", upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):  # it was broken off, by whomever
                self.close_connection = True

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass  # nor does it log

        def do_GET(self) -> None:
            proxy._handle(self)

        do_POST = do_PUT = do_DELETE = do_GET

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        proxy.url = f"http://127.0.0.1:{server.server_port}{urlsplit(upstream).path}"
        yield proxy
        server.shutdown()
        thread.join()


# ------------------------------------------------------------------ faults, each of one request


def lose_answer(exchange: Exchange) -> None:
    """The server has done it, and its answer is lost."""
    exchange.forward()
    exchange.reset()


def reset_in_request(exchange: Exchange) -> None:
    """The connection breaks while the request is sent."""
    exchange.read_half()
    exchange.reset()


def reset_in_answer(exchange: Exchange) -> None:
    """The connection breaks in the middle of the answer."""
    answer = exchange.forward()
    exchange.send(answer, first=len(answer.body) // 2)
    exchange.reset()


def truncate(exchange: Exchange) -> None:
    """The answer is half of the JSON, with the length of the half: a proxy that keeps too little."""
    answer = exchange.forward()
    half = answer.body[: len(answer.body) // 2]
    exchange.send(Answer(answer.status, answer.headers, half))


def stall(seconds: float) -> Script:
    """The answer stops in the middle for so long."""

    def stalled(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.send(answer, first=len(answer.body) // 2)
        time.sleep(seconds)
        exchange.reset()

    return stalled


def silence(seconds: float) -> Script:
    """The server is not asked, and nobody answers for so long."""

    def silent(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.reset()

    return silent


def late(seconds: float) -> Script:
    """The answer comes so much later."""

    def delayed(exchange: Exchange) -> None:
        answer = exchange.forward()
        time.sleep(seconds)
        exchange.send(answer)

    return delayed


def instead(answer: Answer) -> Script:
    """The server is not asked; somebody between answers."""
    return lambda exchange: exchange.send(answer)


def done_but(answer: Answer) -> Script:
    """The server has done it; somebody between answers something else."""

    def answered(exchange: Exchange) -> None:
        exchange.forward()
        exchange.send(answer)

    return answered


# ------------------------------------------------------------------ when they happen


def writes(exchange: Exchange) -> bool:
    """Every transaction."""
    return exchange.writes


def posts(exchange: Exchange) -> bool:
    """Every POST, told without reading its body."""
    return exchange.method == "POST"


def at(
    numbers: range | set[int], fault: Script, which: Callable[[Exchange], bool] = writes
) -> Script:
    """`fault` at the requests of a kind with these numbers, counted from 1."""
    count = itertools.count(1)

    def script(exchange: Exchange) -> None:
        if which(exchange) and next(count) in numbers:
            fault(exchange)

    return script


def every(number: int, fault: Script) -> Script:
    """`fault` at each request whose number can be divided."""
    return lambda exchange: fault(exchange) if exchange.number % number == 0 else None
