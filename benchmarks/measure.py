"""One piece of work in a fresh process: `python -m benchmarks.measure PIECE PATIENTS`, result as JSON.

A piece imports and opens what it needs, then returns the work, which alone is timed.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data import Data
from benchmarks.environments import PYRATE, own_environment
from benchmarks.meter import measured, settle

Work = Callable[[], Any]  # returns how much it did, where that is not all
SAMPLE = 5_000  # resources of which what is too slow for all is measured
KINDS = ("Organization", "Patient", "Observation", "MedicationStatement", "Condition", "Procedure")


def write_limit(data: Data) -> Work:
    """The same bytes from memory to files."""
    contents = {path.name: path.read_bytes() for path in data.ndjson.glob("*.ndjson")}
    place = data.fresh("limit")

    def work() -> None:
        for name, content in contents.items():
            with (place / name).open("wb", buffering=0) as file:
                file.write(content)

    return work


def write_unchecked(data: Data) -> Work:
    """The export without checks."""
    return _export(data, checked=False)


def write_checked(data: Data) -> Work:
    """The export as users run it: every row and every distinct shape checked."""
    _models()
    return _export(data, checked=True)


def _export(data: Data, checked: bool) -> Work:
    import duckdb  # noqa: F401
    import orjson  # noqa: F401
    import pandas  # noqa: F401  # which DuckDB imports once it is given an Arrow table
    import pyarrow.parquet  # noqa: F401

    from imnm_fhir.dictionary import load_dictionary
    from imnm_fhir.fhir import write_ndjson

    load_dictionary()
    place = data.fresh(f"export-{checked}")

    def work() -> None:
        write_ndjson(data.cohort, place, checked=checked)

    return work


def _models() -> dict[str, Any]:
    from fhir.resources.R4B import get_fhir_model_class

    return {kind: get_fhir_model_class(kind) for kind in KINDS}


def write_loop(data: Data) -> Work:
    """A loop over dicts and orjson, columns fetched from the same Parquet files."""
    import orjson  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from benchmarks.write_loop import write_loop as loop
    from imnm_fhir.dictionary import load_dictionary

    load_dictionary()
    files, place = data.table_files, data.fresh("loop")

    def work() -> None:
        loop(files, place)

    return work


def validate_models(data: Data) -> Work:
    """`model_validate` of fhir.resources for each of a sample; parsing and writing not counted."""
    import orjson

    models = _models()
    sample = [orjson.loads(line) for line in _sample(data.ndjson, data.counts["ndjson"])]

    def work() -> int:
        for resource in sample:
            models[resource["resourceType"]].model_validate(resource)
        return len(sample)

    return work


def _sample(folder: Path, total: int) -> list[bytes]:
    """About `SAMPLE` lines, evenly from all files, so that each kind has its share."""
    every = max(1, total // SAMPLE)
    found = []
    for path in sorted(folder.glob("*.ndjson")):
        with path.open("rb") as lines:
            found += [line for number, line in enumerate(lines) if number % every == 0]
    return found


def _open_import() -> None:
    import duckdb  # noqa: F401
    import orjson  # noqa: F401
    import pandas  # noqa: F401  # which DuckDB imports once it is given an Arrow table
    import pyarrow.parquet  # noqa: F401

    import imnm_fhir.fhir  # noqa: F401
    from imnm_fhir.dictionary import load_dictionary

    load_dictionary()


def _read(source: Path) -> Work:
    from imnm_fhir.fhir import read_cohort_from_files

    _open_import()
    return lambda: _kept(read_cohort_from_files(source, site="bench_de"))


def _import(data: Data, source: Path) -> Work:
    from imnm_fhir.fhir import import_files

    _open_import()
    place = data.fresh(f"import-{source.name}")

    def work() -> None:
        import_files(source, place, site="bench_de")

    return work


def read_own(data: Data) -> Work:
    """Our own files into Arrow tables in memory."""
    return _read(data.ndjson)


def import_own(data: Data) -> Work:
    """Our own files into a cohort's folder."""
    return _import(data, data.ndjson)


def read_as_server(data: Data) -> Work:
    """The same resources as a server gives them back, into Arrow tables in memory."""
    return _read(data.as_server)


def import_as_server(data: Data) -> Work:
    """The same into a cohort's folder."""
    return _import(data, data.as_server)


def read_foreign(data: Data) -> Work:
    """Another system's resources (other codes, units, times, extensions) into Arrow tables."""
    work = _read(data.foreign)
    return lambda: work() or data.counts["foreign"]


def import_foreign(data: Data) -> Work:
    """The same into a cohort's folder."""
    work = _import(data, data.foreign)
    return lambda: work() or data.counts["foreign"]


def read_loop(data: Data) -> Work:
    """A loop of orjson over our own files into Arrow tables in memory."""
    return _read_loop(data.ndjson)


def read_loop_as_server(data: Data) -> Work:
    """The same loop over what a server gives back; version and time go by unseen."""
    return _read_loop(data.as_server)


def _read_loop(folder: Path) -> Work:
    import orjson  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from benchmarks.read_loop import read_loop as loop
    from imnm_fhir.dictionary import load_dictionary

    load_dictionary()
    return lambda: _kept(loop(folder))


RESULTS: list[Any] = []


def _kept(result: Any) -> None:
    """Keep a result until the memory is read."""
    RESULTS.append(result)


def harmonise_site(data: Data) -> Work:
    """The site's three files through its mapping into a cohort's folder."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from benchmarks.site_files import MAPPING
    from imnm_fhir.cohort import write_cohort
    from imnm_fhir.dictionary import load_dictionary
    from imnm_fhir.harmonise import harmonise
    from imnm_fhir.sites import load_site_mapping

    load_dictionary()
    mapping, place = load_site_mapping(MAPPING), data.fresh("harmonise")

    def work() -> None:
        _kept(write_cohort(harmonise(data.site, mapping), place))

    return work


def harmonise_pandas(data: Data) -> Work:
    """The same conversions in plain pandas into Parquet files."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from benchmarks.pandas_site import harmonise_with_pandas

    place = data.fresh("pandas")
    return lambda: _kept(harmonise_with_pandas(data.site, place))


def validate_rules(data: Data) -> Work:
    """The cohort read and judged by every rule, each finding with its places."""
    import great_expectations  # noqa: F401
    import pandas  # noqa: F401

    from imnm_fhir.cohort import read_cohort
    from imnm_fhir.dictionary import load_dictionary
    from imnm_fhir.validation import validate

    load_dictionary()
    return lambda: _kept(validate(read_cohort(data.cohort)))


def validate_pandas(data: Data) -> Work:
    """The cohort read and judged by masks in plain pandas, rows counted."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from benchmarks.pandas_checks import check_with_pandas
    from imnm_fhir.dictionary import load_dictionary

    load_dictionary()
    files = data.table_files
    return lambda: _kept(check_with_pandas(files))


PIECES: dict[str, Callable[[Data], Work]] = {
    each.__name__: each
    for each in (
        write_limit, write_unchecked, write_checked, write_loop, validate_models, read_own,
        import_own, read_loop, read_as_server, import_as_server, read_loop_as_server, read_foreign,
        import_foreign,
        harmonise_site, harmonise_pandas, validate_rules, validate_pandas,
    )
}  # fmt: skip


def measure_pyrate(data: Data) -> dict[str, float]:
    """What fhir-pyrate needs for the Bundles."""
    script = Path(__file__).with_name("pyrate_reader.py")
    command = [str(own_environment(PYRATE)), str(script), *map(str, sorted(data.bundles.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(piece: str, patients: str) -> None:
    """Measure one piece and print what was found."""
    data = Data(int(patients))
    if piece == "read_pyrate":
        print(json.dumps(measure_pyrate(data)))
        return
    work = PIECES[piece](data)
    settle()
    count: list[Any] = []
    found = measured(lambda: count.append(work()))
    found["count"] = count[0] or data.counts["ndjson"]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
