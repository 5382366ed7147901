"""A server on loopback that answers what a test tells it to, and remembers what it was asked."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep
from typing import Any

import trustme

NO_CHANGE = "SUCCESSFUL_UPDATE_NO_CHANGE"


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["entry"]
        return found


@dataclass(frozen=True)
class Answer:
    """`short` announces more bytes than are sent; `lost` closes the connection instead.

    `drip` sends the body byte by byte with so many seconds between them.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    short: bool = False
    lost: bool = False
    drip: float = 0

    def pieces(self) -> Iterator[bytes]:
        if not self.drip:
            yield self.body
        else:
            yield from (bytes([byte]) for byte in self.body)


def fhir(content: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(content).encode()
    return Answer(status, body, {"Content-Type": "application/fhir+json", **named})


def outcome(words: str, status: int = 400, code: str = "") -> Answer:
    return fhir(outcome_json(words, code), status)


def outcome_json(words: str, code: str = "") -> dict[str, object]:
    issue: dict[str, object] = {"severity": "error", "code": "processing", "diagnostics": words}
    if code:
        issue = {"severity": "information", "details": {"coding": [{"code": code}]}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def metadata(version: str = "4.0.1") -> Answer:
    software = {"name": "Stand-in", "version": "1"}
    return fhir(
        {"resourceType": "CapabilityStatement", "fhirVersion": version, "software": software}
    )


class StandIn:
    """Answers from `script` first, one each, then from `answer`; metadata says R4 until told."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/fhir"
        self.asked: list[Asked] = []
        self.script: list[Answer] = []
        self.answer: Callable[[Asked], Answer] = lambda asked: outcome("not told", 404)
        self.metadata: Callable[[Asked], Answer] = lambda asked: metadata()

    def reply(self, asked: Asked) -> Answer:
        if asked.path.startswith("/fhir/metadata"):
            return self.metadata(asked)
        self.asked.append(asked)
        return self.script.pop(0) if self.script else self.answer(asked)


def bundle(kind: str, entries: list[dict[str, Any]], **members: object) -> Answer:
    return fhir({"resourceType": "Bundle", "type": kind, "entry": entries, **members})


@contextmanager
def stand_in(
    certificate: trustme.LeafCert | None = None, clients: trustme.CA | None = None
) -> Iterator[StandIn]:
    """A server; over TLS with a `certificate`, which asks for one that `clients` has issued."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            answer = told.reply(asked)
            if answer.lost:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + 10 * answer.short))
            self.end_headers()
            with suppress(OSError):  # who asked may have gone
                for piece in answer.pieces():
                    self.wfile.write(piece)
                    self.wfile.flush()
                    sleep(answer.drip)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told = StandIn(http.server_port)
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            if clients:
                tls.verify_mode = ssl.CERT_REQUIRED
                clients.configure_trust(tls)
                # Later versions say no after the handshake, when the reset may overtake the words.
                tls.maximum_version = ssl.TLSVersion.TLSv1_2
            http.socket = tls.wrap_socket(http.socket, server_side=True)
            told.base_url = told.base_url.replace("http:", "https:")
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield told
        finally:
            http.shutdown()
            thread.join()
