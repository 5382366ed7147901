"""Everything that is measured with a server in one run; `make bench-server`.

Each part has a HAPI of its own (JDK and Maven needed), empty at first: exports against a bare loop,
imports against bare downloads, our export beside fhirpy and fhir-kindling, what each loses on a bad way,
the whole command for an unchanged cohort; and a counting stand-in the export of 200,000 resources. The
table goes to docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import download, upload
from benchmarks.data import FOLDER, ROOT
from benchmarks.environments import OTHER_CLIENTS, own_environment
from benchmarks.server_table import write_page
from benchmarks.side_by_side import losses, speeds

EACH_PATIENT = 23  # resources of one synthetic patient, nearly
PARTS = ("faults", "clients", "export", "command", "import", "counting")
Results = dict[str, Any]


def main() -> None:
    """Measure what the arguments say, print the table, write it into docs/benchmarks.md."""
    arguments = _arguments()
    for client in OTHER_CLIENTS if {"clients", "faults"} & {*arguments.only} else ():
        own_environment(client)
    results: Results = {"date": datetime.now(UTC).date().isoformat(), "processors": os.cpu_count()}
    loads = [os.getloadavg()[1]]
    with tempfile.TemporaryDirectory() as temporary:
        for part in arguments.only:
            print(f"{time.strftime('%H:%M:%S')} {part}", file=sys.stderr, flush=True)
            place = Path(temporary) / part
            place.mkdir()
            with _server(part, place) as url:
                results[part] = _work(part, url, place, arguments)()
            loads.append(os.getloadavg()[1])
            results["load"] = [round(min(loads), 1), round(max(loads), 1)]
            (FOLDER / "server.json").write_text(json.dumps(results, indent=1))
    print(write_page(results, ROOT / "docs" / "benchmarks.md" if arguments.write else None))


@contextmanager
def _server(part: str, folder: Path) -> Iterator[str]:
    """The address of a server that holds nothing yet; none is started for what brings its own."""
    from servers.fhir_server import start_fhir_server

    if part == "counting":
        yield ""
        return
    server = start_fhir_server(folder / "server.log")
    try:
        yield server.url
    finally:
        server.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=10_000)
    parser.add_argument("--counted", type=int, default=200_000, help="for the counting stand-in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bundle-size", type=int, default=100)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--page-size", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--no-write", dest="write", action="store_false")
    return parser.parse_args()


def _work(part: str, url: str, folder: Path, arguments: argparse.Namespace) -> Callable[[], Any]:
    resources, rounds = arguments.resources, arguments.rounds
    counted = argparse.Namespace(resources=arguments.counted, bundle_size=100, connections=8)
    works: dict[str, Callable[[], Any]] = {
        "export": lambda: upload.measure_hapi(url, folder, arguments),
        "import": lambda: download.measure(url, folder, arguments),
        "clients": lambda: speeds(url, folder, resources, rounds),
        "faults": lambda: losses(url, folder),
        "command": lambda: whole_command(url, folder, resources, rounds),
        "counting": lambda: upload.measure_counting(counted),
    }
    return works[part]


def whole_command(url: str, folder: Path, resources: int, rounds: int) -> Results:
    """Seconds of `imnm-fhir export` of a validated cohort, from start to exit: the first, and unchanged."""
    from benchmarks.synthetic import make_cohort
    from imnm_fhir.validation import validate_folder

    cohort = folder / "cohort"
    make_cohort(max(1, resources // EACH_PATIENT), cohort)
    validate_folder(cohort)
    seconds = []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        command = [sys.executable, "-m", "imnm_fhir.cli", "export", cohort, "--to", url, "--json"]
        command += ["--allow-errors"]  # the cohort is drawn by chance
        done = subprocess.run(command, cwd=ROOT, capture_output=True)
        seconds.append(round(time.perf_counter() - start, 2))
        if done.returncode:
            raise SystemExit(done.stderr.decode())
        sent = sum(json.loads(done.stdout)["resources"].values())
    return {"resources": sent, "first": seconds[0], "unchanged": seconds[1:]}


if __name__ == "__main__":
    main()
