"""An upload as a Python user would write it with fhirpy or fhir-kindling; runs in an environment of its own.

`python benchmarks/other_client.py fhirpy URL FOLDER 100 2` sends the NDJSON of a folder in transactions of
100 over 2 connections, type after type, and prints as JSON the seconds, and how many resources stood in
requests that failed. What fails is noted and the next one sent, as a script does that is to run overnight.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TYPES = ("Organization", "Patient", "Observation")
Send = Callable[[list[dict[str, Any]]], Any]


def fhirpy(url: str) -> Send:
    """A Bundle of updates, posted by fhirpy's client; it has no repetition of its own."""
    from fhirpy import SyncFHIRClient

    client = SyncFHIRClient(url, requests_config={"timeout": 300})

    def send(resources: list[dict[str, Any]]) -> Any:
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in resources
        ]  # fmt: skip
        return client.resource("Bundle", type="transaction", entry=entries).save()

    return send


def fhir_kindling(url: str) -> Send:
    """Its `update`, with repetitions for POST and 502 asked for: without, it repeats no transaction."""
    from fhir_kindling import FhirServer

    server = FhirServer(
        api_address=url,
        timeout=300,
        retry_status_codes=[429, 502, 503, 504],
        retryable_methods=["GET", "PUT", "POST", "DELETE"],
    )
    return server.update


def upload(send: Send, folder: Path, size: int, connections: int) -> int:
    """Send all, type after type; returns how many resources stood in requests that failed."""

    def tried(resources: list[dict[str, Any]]) -> int:
        try:
            send(resources)
        except Exception as error:  # a script that goes on, whatever it was
            print(f"failed: {type(error).__name__}", file=sys.stderr)
            return len(resources)
        return 0

    failed = 0
    with ThreadPoolExecutor(connections) as pool:
        for kind in TYPES:
            with (folder / f"{kind}.ndjson").open(encoding="utf-8") as lines:
                resources = [json.loads(line) for line in lines]
            parts = [resources[at : at + size] for at in range(0, len(resources), size)]
            failed += sum(pool.map(tried, parts))
    return failed


def main(client: str, url: str, folder: str, size: str, connections: str) -> None:
    """Upload and print the measurement."""
    send = {"fhirpy": fhirpy, "fhir-kindling": fhir_kindling}[client](url)
    start = time.perf_counter()
    failed = upload(send, Path(folder), int(size), int(connections))
    print(json.dumps({"seconds": time.perf_counter() - start, "failed": failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
