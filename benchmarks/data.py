"""What is measured, on disk under build/bench/: made once per number of patients, then reused."""

import hashlib
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"
BUNDLED = 20_000  # resources that are made into Bundles, for what is too slow for all


@dataclass(frozen=True)
class Data:
    """The files of one number of patients."""

    patients: int

    @property
    def folder(self) -> Path:
        """Where all of them stand."""
        return FOLDER / str(self.patients)

    @property
    def cohort(self) -> Path:
        """The cohort's folder."""
        return self.folder / "cohort"

    @property
    def ndjson(self) -> Path:
        """The cohort as our own NDJSON, with its manifest."""
        return self.folder / "ndjson"

    @property
    def as_server(self) -> Path:
        """The same resources as a server gives them back."""
        return self.folder / "as_server"

    @property
    def foreign(self) -> Path:
        """Those with public codes as another system would write them."""
        return self.folder / "foreign"

    @property
    def bundles(self) -> Path:
        """About `BUNDLED` of the resources of `ndjson` as Bundles of 500."""
        return self.folder / "bundles"

    @property
    def site(self) -> list[Path]:
        """The site's files."""
        names = ("patienten.csv", "ck.csv", "medikamente.csv")
        return [self.folder / "site" / name for name in names]

    @property
    def table_files(self) -> dict[str, Path]:
        """The Parquet file of each table."""
        from imnm_fhir.cohort import read_manifest

        tables = read_manifest(self.cohort)["tables"]
        return {name: self.cohort / about["file"] for name, about in tables.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Resources and bytes, as `make` found them."""
        counted: dict[str, int] = json.loads((self.folder / "counts.json").read_text("utf-8"))
        return counted

    def fresh(self, name: str) -> Path:
        """An empty place to write to, on the same disk."""
        place = self.folder / "out" / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place


def make(data: Data) -> None:
    """Make what is not there yet. Our lines are compared with those of the loop on the way."""
    from benchmarks.foreign import make_as_server, make_bundles, make_foreign
    from benchmarks.site_files import make_site_files
    from benchmarks.synthetic import make_cohort
    from imnm_fhir.fhir import write_ndjson

    made_from = _made_from()
    if (data.folder / "counts.json").exists() and data.counts.get("made_from") == made_from:
        return
    shutil.rmtree(data.folder, ignore_errors=True)
    make_cohort(data.patients, data.cohort)
    write_ndjson(data.cohort, data.ndjson)
    compare_with_loop(data)
    make_as_server(data.ndjson, data.as_server)
    make_foreign(data.ndjson, data.foreign)
    make_site_files(data.patients, data.folder / "site")
    counts = {name: _count(getattr(data, name)) for name in ("ndjson", "as_server", "foreign")}
    make_bundles(data.ndjson, data.bundles, BUNDLED / counts["ndjson"])
    counts["bytes"] = sum(path.stat().st_size for path in data.ndjson.glob("*.ndjson"))
    counts["made_from"] = made_from
    (data.folder / "counts.json").write_text(json.dumps(counts), "utf-8")


def _made_from() -> int:
    """A number for the sources of the data: other shapes or another generator, other data."""
    names = ("synthetic.py", "foreign.py", "site_files.py")
    sources = [Path(__file__).with_name(name) for name in names]
    sources += sorted((ROOT / "mappings").rglob("*.toml"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return int(digest[:12], 16)


def _count(folder: Path) -> int:
    found = 0
    for path in folder.glob("*.ndjson"):
        with path.open("rb") as lines:
            found += sum(1 for _ in lines)
    return found


def compare_with_loop(data: Data) -> None:
    """Raise where the loop that we are measured against does not write the same lines as we."""
    from benchmarks.write_loop import write_loop

    place = data.fresh("compare")
    write_loop(data.table_files, place)
    for path in place.glob("*.ndjson"):
        with path.open("rb") as theirs, (data.ndjson / path.name).open("rb") as ours:
            if sorted(map(hash, theirs)) != sorted(map(hash, ours)):
                raise SystemExit(f"{path.name}: the loop writes other lines than the export")
    shutil.rmtree(place)


def versions() -> dict[str, str]:
    """The versions of what takes part."""
    from importlib.metadata import version

    names = ("duckdb", "pyarrow", "pandas", "orjson", "fhir.resources", "great-expectations")
    found: dict[str, Any] = {"Python": sys.version.split()[0]}
    return found | {name: version(name) for name in names}
