"""The demo: the whole road on two embedded synthetic sites, one line per stage."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import Cohort, read_cohort
from imnm_fhir.compare import compare
from imnm_fhir.dictionary import PROVENANCE
from imnm_fhir.flow import (
    export,
    harmonise_files,
    import_fhir,
    pass_gate,
    pool_folders,
    table1_of,
)
from imnm_fhir.languages import counted
from imnm_fhir.validation import validate_folder

Say = Callable[[str], None]
FREIBURG = ("patienten.csv", "ck.csv", "medikamente.csv")


def demo(folder: Path, say: Say = lambda line: None) -> str:
    """Table 1 of two pooled synthetic sites, as text; what was made on the way stands in `folder`.

    Madrid sends one file, in English and again in Spanish; Freiburg sends three, once with planted
    errors, which are stopped with a report, and once corrected. `say` is given a line per stage.
    """
    with as_file(files("imnm_fhir") / "demo_data") as data:
        madrid, spanish = ([data / "madrid" / name] for name in ("madrid16.csv", "madrid16_es.csv"))
        _road("Madrid", madrid, "madrid_en", folder / "madrid", say)
        _same_patients(
            "Madrid in Spanish", spanish, "madrid_es", folder / "madrid_es", folder / "madrid", say
        )
        faulty = [data / "freiburg/delivery_1" / name for name in FREIBURG]
        _stopped("Freiburg, first delivery", faulty, folder / "freiburg_1", say)
        corrected = [data / "freiburg/delivery_2" / name for name in FREIBURG]
        _road("Freiburg, corrected delivery", corrected, "freiburg", folder / "freiburg", say)
    pool = folder / "pool"
    for line in pool_folders([folder / "back/madrid", folder / "back/freiburg"], pool):
        say(f"Pool: {line}")
    out = [folder / f"table1.{ending}" for ending in ("csv", "xlsx", "html")]
    table, _ = table1_of(pool, out)
    say(f"Written: {', '.join(str(path) for path in out)}")
    return table


def _harmonise(label: str, sources: Sequence[Path], site: str, out: Path, say: Say) -> Cohort:
    cohort = harmonise_files(sources, site, out)
    counts = [source for about in cohort.manifest["sites"].values() for source in about["sources"]]
    total = {
        name: sum(source[name] for source in counts)
        for name in counts[0]
        if name.startswith("rows_")
    }
    say(
        f"{label}: {total['rows_in']} rows in = {total['rows_clean']} clean"
        f" + {total['rows_with_issue']} with an issue + {total['rows_refused']} refused"
    )
    return cohort


def _same_patients(
    label: str, sources: Sequence[Path], site: str, out: Path, other: Path, say: Say
) -> None:
    """The same centre in another layout: what both hold must agree; it is not pooled twice."""
    first, second = _harmonise(label, sources, site, out, say), read_cohort(other)
    shared, contradicted = 0, 0
    for name, table in first.tables.items():
        there = {row["id"]: row for row in second.tables[name].to_pylist()}
        for row in table.to_pylist():
            shared += row["id"] in there
            contradicted += row["id"] in there and _contradict(row, there[row["id"]])
    say(
        f"{label}: {shared} facts are in the English file too, {contradicted} of them contradict it"
    )


def _contradict(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a value that both rows have differs; the status of a drug follows from its end."""
    passed_over = (*PROVENANCE, "status")
    return any(
        value is not None and other[column] is not None and value != other[column]
        for column, value in row.items()
        if column not in passed_over
    )


def _stopped(label: str, sources: Sequence[Path], out: Path, say: Say) -> None:
    _harmonise(label, sources, "freiburg", out, say)
    validation = validate_folder(out, report=out.parent / f"{out.name}_report")
    verdict = "may be pooled" if validation.passed else "is stopped"
    counts = ", ".join(f"{count} {kind}" for kind, count in validation.counts().items())
    say(
        f"{label}: {verdict} ({counts}); report {out.parent / f'{out.name}_report' / 'report.html'}"
    )


def _road(label: str, sources: Sequence[Path], site: str, out: Path, say: Say) -> None:
    _harmonise(label, sources, site, out, say)
    report = out.parent / f"{out.name}_report"
    validation = validate_folder(out, report=report)
    counts = ", ".join(f"{count} {kind}" for kind, count in validation.counts().items())
    say(
        f"{label}: {'passed' if validation.passed else 'is stopped'} ({counts}); report {report / 'report.html'}"
    )
    exported = export([out], str(out.parent / "fhir" / out.name))
    for line in exported.lines():
        say(f"{label}: {line}")
    back = out.parent / "back" / out.name
    import_fhir(exported.target, back)
    validate_folder(back)
    differences = compare(pass_gate(out).cohort(), read_cohort(back))
    say(
        f"{label}: {sum(exported.counts.values())} resources written and read back, "
        f"{counted(len(differences), 'difference')}"
    )
