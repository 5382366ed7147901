"""A server that answers as one that stored everything, and counts: what is measured is the client.

`python -m benchmarks.counting_server` prints its address and serves until its standard input ends.
"""

import asyncio
import json
import re
import sys

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "software": {"name": "counting stand-in"},
}
_ENTRY = b'{"response":{"status":"201 Created","etag":"W/\\"1\\""}}'
_MARK = b'"method":"PUT"'


class Counts:
    """What came so far."""

    requests = 0
    resources = 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection until it closes."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        answer = _answer(head.split(b" ", 2)[1], body)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )
        await writer.drain()


def _answer(path: bytes, body: bytes) -> bytes:
    if path.startswith(b"/fhir/metadata"):
        return json.dumps(_STATEMENT).encode()
    if path == b"/counts":
        return json.dumps({"requests": Counts.requests, "resources": Counts.resources}).encode()
    if b"_summary=count" in path:
        return b'{"resourceType":"Bundle","type":"searchset","total":%d}' % Counts.resources
    number = body.count(_MARK)
    Counts.requests += 1
    Counts.resources += number
    entries = b",".join([_ENTRY] * number)
    return b'{"resourceType":"Bundle","type":"transaction-response","entry":[%b]}' % entries


async def _main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/fhir", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
