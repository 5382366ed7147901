"""Our export beside fhirpy and fhir-kindling: speed, and what each loses where the way is bad.

All three send the same resources in transactions of the same size over as many connections. Each cell is
a bad way (servers/faulty_proxy.py) to the same HAPI; what arrived is counted on the server itself.
"""

import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import OTHER_CLIENTS, own_environment
from benchmarks.other_client import TYPES
from benchmarks.upload import SYSTEM, export, write_site
from imnm_fhir.server import Connection, connect
from imnm_fhir.transfer import Choices
from servers.faulty_proxy import (
    Script,
    at,
    every,
    faulty_proxy,
    instead,
    lose_answer,
    outcome,
    pass_through,
    posts,
)

OURS = "imnm-fhir"
CLIENTS = (OURS, *OTHER_CLIENTS)
SMALL = 512  # resources of a cell
BAD = "1931-13-45"


@dataclass(frozen=True)
class Cell:
    """A row of the matrix: the script of the way, and whether one of the resources is bad."""

    name: str
    script: Callable[[], Script]
    bad: bool = False


CELLS = (
    Cell("answer lost after the server stored it", lambda: at({4}, lose_answer, posts)),
    Cell("every 7th request answered 503", lambda: every(7, instead(outcome(503, "busy")))),
    Cell(f"one bad resource in {SMALL}", lambda: pass_through, bad=True),
)


@dataclass(frozen=True)
class Found:
    """What became of an upload: resources that a client called failed, that the server lacks, and stored twice."""

    seconds: float
    said_failed: int
    lost: int
    again: int


def speeds(url: str, folder: Path, resources: int, rounds: int) -> dict[str, Any]:
    """Resources per second of each client, the median of some rounds taken in turn."""
    found: dict[str, list[float]] = {client: [] for client in CLIENTS}
    for number in range(-1, rounds):  # the first one warms the server up
        clients = CLIENTS if number % 2 else tuple(reversed(CLIENTS))
        for client in clients:
            site = f"v{number + 1}{client.replace('-', '')}"
            files = write_site(site, resources, folder / site)
            seconds, failed = _upload(client, url, files, site, 100)
            if failed:
                raise SystemExit(f"{client}: {failed} resources failed without a fault")
            found[client] += [resources / seconds] if number >= 0 else []
    medians = {client: round(statistics.median(each)) for client, each in found.items()}
    ours = found[OURS]
    shares = {
        client: round(statistics.median(a / b for a, b in zip(each, ours, strict=True)), 2)
        for client, each in found.items()
    }
    return {"resources": resources, "rounds": rounds, "per second": medians, "of our speed": shares}


def losses(url: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Each cell for each client."""
    found: dict[str, dict[str, Any]] = {}
    with faulty_proxy(url) as proxy, connect(url) as server:
        for number, cell in enumerate(CELLS):
            found[cell.name] = {}
            for client in CLIENTS:
                site = f"c{number}{client.replace('-', '')}"
                files = write_site(site, SMALL, folder / site)
                if cell.bad:
                    _spoil(files["Observation"])
                proxy.play(cell.script())
                seconds, said = _upload(client, proxy.url, files, site, 20)
                found[cell.name][client] = asdict(_counted(server, site, seconds, said, cell.bad))
    return found


def _spoil(path: Path) -> None:
    """Give one resource of a file a date that is none."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    lines[256] = lines[256].replace('"effectiveDateTime":"2019', f'"effectiveDateTime":"{BAD}')
    path.write_text("".join(lines), "utf-8")


def _counted(server: Connection, site: str, seconds: float, said: int, bad: bool) -> Found:
    versions = [version for kind in TYPES for version in _versions(server, kind, site)]
    lost = SMALL - bad - len(versions)
    return Found(round(seconds, 2), said, lost, sum(version != "1" for version in versions))


def _versions(server: Connection, kind: str, site: str) -> list[str]:
    page: Any = server.request("GET", f"{kind}?_tag={SYSTEM}|{site}&_count=1000").json()
    return [entry["resource"]["meta"]["versionId"] for entry in page.get("entry", [])]


def _upload(
    client: str, url: str, files: dict[str, Path], site: str, size: int
) -> tuple[float, int]:
    """Seconds, and how many resources the client itself calls failed."""
    folder = files["Patient"].parent
    if client == OURS:
        done = export(url, files, folder / "journal", site, Choices(bundle_size=size), whole=False)
        return done.seconds, done.failed
    python, script = own_environment(client), "benchmarks/other_client.py"
    command = [python, Path(__file__).parents[1] / script, client, url, folder, str(size), "2"]
    done_there = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    found = json.loads(done_there.stdout)
    return found["seconds"], found["failed"]
