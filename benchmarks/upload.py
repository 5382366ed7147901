"""Export to a server against a bare loop of prepared Bundles, an unchanged export, and a flat memory.

`python -m benchmarks.upload hapi` starts HAPI (JDK and Maven needed) and measures, round after round in
turn, the same number of resources in Bundles of the same size over as many connections: the bare loop,
our export, and our export again with nothing changed. `python -m benchmarks.upload counting` sends
200,000 resources over 8 connections to a stand-in that only counts.
"""

import argparse
import json
import statistics
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

sys.path.insert(0, str(Path(__file__).parents[1]))
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
    with files["Patient"].open("w") as lines:
        lines.writelines(_patient(site, n, meta) for n in range(patients))
    with files["Observation"].open("w") as lines:
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
    url: str, files: dict[str, Path], cohort: Path, site: str, choices: Choices, watch: Any = None
) -> Transferred:
    """Our export of the same files."""
    with connect(url) as connection:
        done = transfer(connection, files, cohort, choices, tags=[(SYSTEM, site)], watch=watch)
    assert done.complete, done.summary()
    return done


def measure_hapi(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rounds of bare loop, export and unchanged export on a HAPI server of our own."""
    from servers.fhir_server import start_fhir_server

    choices = Choices(bundle_size=arguments.bundle_size, connections=arguments.connections)
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        server = start_fhir_server(folder / "server.log")
        try:
            for number in range(-1, arguments.rounds):  # the first one warms the server up
                found = _round(server.url, folder, f"r{number + 1}", arguments, choices)
                _say(f"round {number + 1}: {json.dumps(found)}")
                rounds += [found] if number >= 0 else []
        finally:
            server.stop()
    ratios = [each["bare"] / each["export"] for each in rounds]
    faster = [each["export"] / each["unchanged"] for each in rounds]
    return {
        "resources": arguments.resources,
        "rounds": rounds,
        "export/bare": round(statistics.median(ratios), 3),
        "unchanged, times faster": round(statistics.median(faster), 1),
    }


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
    lines = Path("/proc/self/status").read_text().splitlines()
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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure what the arguments say; prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("hapi", "counting"))
    parser.add_argument("--resources", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bundle-size", type=int, default=100)
    parser.add_argument("--connections", type=int)
    arguments = parser.parse_args()
    hapi = arguments.what == "hapi"
    arguments.resources = arguments.resources or (10_000 if hapi else 200_000)
    arguments.connections = arguments.connections or (2 if hapi else 8)
    found = measure_hapi(arguments) if hapi else measure_counting(arguments)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
