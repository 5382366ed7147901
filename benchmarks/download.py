"""Import from a server against a bare download of the same resources, in the same run.

Round after round in turn, from a server that it fills: following the next links and writing each page
as it comes, and our download by search with its checks; a bulk export from kick-off to its files, and
the files of a finished one alone, fetched and written, and ours with its checks. What is compared ends
with the resources on disk; reading them into a cohort is `benchmarks/run.py`.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.meter import measured
from benchmarks.upload import SYSTEM, bare_loop, prepare, write_site
from imnm_fhir.download import How, Wanted, conclude, download, open_download
from imnm_fhir.server import connect
from imnm_fhir.server.reading.bulk import Manifest, Polling, kick_off, read_export, wait_for
from imnm_fhir.server.reading.spool import open_spool

SITE = "download"
TYPES = ("Organization", "Patient", "Observation")


def bare_pages(url: str, folder: Path, page_size: int) -> None:
    """Follow the links and keep what comes; nothing is looked at but the link to the next page."""
    import requests

    folder.mkdir()
    with requests.Session() as session:
        for kind in TYPES:
            link: str | None = f"{url}/{kind}?_tag={SYSTEM}|{SITE}&_count={page_size}&_sort=_id"
            with (folder / f"{kind}.pages").open("wb") as file:
                while link:
                    answer = session.get(link, timeout=300)
                    answer.raise_for_status()
                    file.write(answer.content)
                    links = answer.json()["link"]
                    link = next((each["url"] for each in links if each["relation"] == "next"), None)


def bare_files(manifest: Manifest, folder: Path) -> None:
    """Fetch the files of an export and keep them."""
    import requests

    folder.mkdir()
    with requests.Session() as session:
        for number, file in enumerate(manifest.output):
            named = {"Accept": "application/fhir+ndjson"}
            with session.get(file.url, headers=named, timeout=300, stream=True) as answer:
                answer.raise_for_status()
                with (folder / str(number)).open("wb") as kept:
                    kept.writelines(answer.iter_content(1 << 16))


def our_search(url: str, folder: Path, page_size: int) -> int:
    """Our download by search, counted and checked; returns how many resources came."""
    with connect(url) as connection, open_download(folder) as spool:
        how = How("search", page_size=page_size)
        got = download(connection, spool, Wanted(TYPES, (SYSTEM, SITE)), how)
        conclude(spool, keep=True)
    return sum(got.resources.values())


def our_files(url: str, manifest: Manifest, folder: Path) -> None:
    """Our reading of the same files, each line looked at, copies taken out."""
    with connect(url) as connection:
        spool = open_spool(folder)
        read_export(connection, spool, manifest, (SYSTEM, SITE))
        for kind in spool.types:
            spool.settle(kind)


def export(url: str) -> Manifest:
    """A finished bulk export; both sides wait for it in the same way."""
    with connect(url) as connection:
        status = kick_off(connection, ["$export"], TYPES, tag=(SYSTEM, SITE))
        return wait_for(connection, status, Polling(most=1))


def measure(url: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of bare downloads and of ours, by search and by files of an export, round after round."""
    files = write_site(SITE, arguments.resources, folder / "site")
    bare_loop(url, prepare(files, 100), 2)
    manifest = export(url)
    rounds = []
    for number in range(-1, arguments.rounds):  # the first one warms the server up
        place = folder / f"round{number + 1}"
        place.mkdir()
        works: dict[str, Callable[[], Any]] = {
            "bare pages": lambda place=place: bare_pages(url, place / "a", arguments.page_size),
            "search": lambda place=place: our_search(url, place / "b", arguments.page_size),
            "bare files": lambda place=place: bare_files(manifest, place / "c"),
            "files": lambda place=place: our_files(url, manifest, place / "d"),
            "bare export": lambda place=place: bare_files(export(url), place / "e"),
            "export": lambda place=place: our_files(url, export(url), place / "f"),
        }
        if number % 2:  # by turns, so that what comes first has no advantage
            works = dict(reversed(works.items()))
        found = {piece: measured(work) for piece, work in works.items()}
        seconds = {piece: round(each["seconds"], 3) for piece, each in found.items()}
        print(f"round {number + 1}: {json.dumps(seconds)}", file=sys.stderr, flush=True)
        rounds += [seconds] if number >= 0 else []
    return {"resources": arguments.resources, "rounds": rounds}
