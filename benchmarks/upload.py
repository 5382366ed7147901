"""Export to a server against a bare loop of prepared Bundles, an unchanged export, and a flat memory.

Round after round in turn, the same number of resources goes in Bundles of the same size over as many
connections: the bare loop, our export, and our export again with nothing changed. A stand-in that only
counts takes more resources over more connections.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.meter import measured
from imnm_fhir.server import connect
from imnm_fhir.transfer import Choices, Transferred, transfer

SYSTEM = "https://example.org/imnm/bench"
EACH = 50  # facts of one patient


def write_site(site: str, resources: int, folder: Path) -> dict[str, Path]:
    """NDJSON of one site with about so many resources, line by line; returns the files by type."""
    folder.mkdir(parents=True, exist_ok=True)
    patients = max(1, resources // (EACH + 1))
    meta = f'"meta":{{"tag":[{{"system":"{SYSTEM}","code":"{site}"}}]}}'
    files = {kind: folder / f"{kind}.ndjson" for kind in ("Organization", "Patient", "Observation")}
    files["Organization"].write_text(
        f'{{"resourceType":"Organization","id":"{site}",{meta},"name":"{site}"}}\n'
    )
    with files["Patient"].open("w", encoding="utf-8") as lines:
        lines.writelines(_patient(site, n, meta) for n in range(patients))
    with files["Observation"].open("w", encoding="utf-8") as lines:
        lines.writelines(_fact(site, n, patients, meta) for n in range(resources - patients - 1))
    return files


def _patient(site: str, number: int, meta: str) -> str:
    return (
        f'{{"resourceType":"Patient","id":"{site}-p{number}",{meta},"identifier":[{{"system":"{SYSTEM}",'
        f'"value":"{site}/{number}"}}],"gender":"female","birthDate":"19{number % 60 + 30}",'
        f'"managingOrganization":{{"reference":"Organization/{site}"}}}}\n'
    )


def _fact(site: str, number: int, patients: int, meta: str) -> str:
    return (
        f'{{"resourceType":"Observation","id":"{site}-o{number}",{meta},"identifier":[{{"system":'
        f'"{SYSTEM}","value":"{site}/o/{number}"}}],"status":"final","category":[{{"coding":[{{"system":'
        '"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],"code":'
        '{"coding":[{"system":"http://loinc.org","code":"2157-6","display":"Creatine kinase"}]},'
        f'"subject":{{"reference":"Patient/{site}-p{number % patients}"}},"effectiveDateTime":'
        f'"2019-03-{number % 28 + 1:02d}","valueQuantity":{{"value":{number % 9000},"unit":"U/L",'
        '"system":"http://unitsofmeasure.org","code":"U/L"}}\n'
    )


def prepare(files: dict[str, Path], size: int) -> list[list[bytes]]:
    """Bundles ready to send, a list for each type, as a bare loop would have them."""
    prepared = []
    for kind, path in files.items():
        lines = path.read_bytes().splitlines()
        parts = [lines[at : at + size] for at in range(0, len(lines), size)]
        prepared.append([_bundle(kind, part) for part in parts])
    return prepared


def _bundle(kind: str, lines: Sequence[bytes]) -> bytes:
    entries = []
    for line in lines:
        identifier = line.split(b'"id":"', 1)[1].split(b'"', 1)[0]
        request = b'{"method":"PUT","url":"%b/%b"}' % (kind.encode(), identifier)
        entries.append(b'{"resource":%b,"request":%b}' % (line, request))
    return b'{"resourceType":"Bundle","type":"transaction","entry":[%b]}' % b",".join(entries)


def bare_loop(url: str, prepared: list[list[bytes]], connections: int) -> None:
    """Send what is prepared, type after type; nothing is checked but the status."""
    import requests

    own = threading.local()

    def post(body: bytes) -> None:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        answer = own.session.post(
            url, data=body, headers={"Content-Type": "application/fhir+json"}, timeout=300
        )
        answer.raise_for_status()

    with ThreadPoolExecutor(connections) as pool:
        for bodies in prepared:
            list(pool.map(post, bodies))


def export(
    url: str, files: dict[str, Path], cohort: Path, site: str, choices: Choices, watch: Any = None,
    whole: bool = True,
) -> Transferred:  # fmt: skip
    """Our export of the same files; `whole`: nothing may be missing."""
    with connect(url) as connection:
        done = transfer(connection, files, cohort, choices, tags=[(SYSTEM, site)], watch=watch)
    assert done.complete or not whole, done.summary()
    return done


def measure_hapi(url: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Rounds of bare loop, export and unchanged export on an empty server."""
    choices = Choices(bundle_size=arguments.bundle_size, connections=arguments.connections)
    rounds: list[dict[str, float]] = []
    for number in range(-1, arguments.rounds):  # the first one warms the server up
        found = _round(url, folder, f"r{number + 1}", arguments, choices)
        print(f"round {number + 1}: {json.dumps(found)}", file=sys.stderr, flush=True)
        rounds += [found] if number >= 0 else []
    return {"resources": arguments.resources, "rounds": rounds}


def _round(
    url: str, folder: Path, name: str, arguments: argparse.Namespace, choices: Choices
) -> dict[str, float]:
    bare, ours = f"{name}a", f"{name}b"
    prepared = prepare(write_site(bare, arguments.resources, folder / bare), arguments.bundle_size)
    files = write_site(ours, arguments.resources, folder / ours)
    again = folder / "journals" / ours

    def send() -> Transferred:
        return export(url, files, again, ours, choices)

    works: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare_loop(url, prepared, arguments.connections),
        "export": send,
    }
    if sum(map(ord, name)) % 2:  # by turns, so that what comes first has no advantage
        works = dict(reversed(works.items()))
    works["unchanged"] = send
    return {piece: round(measured(work)["seconds"], 3) for piece, work in works.items()}


class _Memory:
    """Resident memory while resources are sent, in MB, at each tenth."""

    def __init__(self, number: int) -> None:
        self.step = number // 10
        self.count = 0
        self.seen: list[float] = []

    def expect(self, number: int) -> None:
        pass

    def failed(self, number: int) -> None:
        pass

    def done(self, number: int) -> None:
        self.count += number
        if self.count >= self.step * (len(self.seen) + 1):
            self.seen.append(round(_resident(), 1))


def _resident() -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@contextmanager
def counting_server() -> Iterator[str]:
    """The address of a running stand-in."""
    command = [sys.executable, "-m", "benchmarks.counting_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()


def measure_counting(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rate, and memory at each tenth, of an export to the counting stand-in; and unchanged again."""
    choices = Choices(bundle_size=arguments.bundle_size, connections=arguments.connections)
    with tempfile.TemporaryDirectory() as temporary, counting_server() as url:
        folder = Path(temporary)
        files = write_site("count", arguments.resources, folder / "ndjson")
        memory = _Memory(arguments.resources)
        before = _resident()
        start = time.perf_counter()
        export(url, files, folder / "cohort", "count", choices, memory)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        export(url, files, folder / "cohort", "count", choices)
        unchanged = time.perf_counter() - start
    return {
        "resources": arguments.resources,
        "per second": round(arguments.resources / seconds),
        "seconds": round(seconds, 2),
        "unchanged, seconds": round(unchanged, 2),
        "MB before": round(before, 1),
        "MB at each tenth": memory.seen,
    }
