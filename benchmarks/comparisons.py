"""What is measured, beside what, and which targets it should reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """At least so many times the speed of another piece (below 1: a share of it); None: only said."""

    beside: str
    times: float | None


@dataclass(frozen=True)
class Row:
    """One line of the table. `memory`: at most so many MB above the imports at the largest size."""

    piece: str
    what: str
    targets: tuple[Target, ...] = ()
    memory: int | None = None


GROUPS: dict[str, tuple[Row, ...]] = {
    "Write NDJSON": (
        Row("write_limit", "the same bytes from memory to files"),
        Row(
            "write_unchecked",
            "**export, unchecked**",
            (Target("write_limit", 0.6), Target("write_loop", 4)),
            300,
        ),
        Row(
            "write_checked",
            "**export, every row checked**",
            (Target("write_limit", 0.35), Target("validate_models", 60)),
            300,
        ),
        Row("write_loop", "loop over dicts and orjson, unchecked"),
        Row("validate_models", "fhir.resources, each validated (sample)"),
    ),
    "Read NDJSON": (
        Row(
            "read_own",
            "**our own files to tables**",
            (Target("read_loop", 3), Target("read_pyrate", None)),
        ),
        Row("import_own", "**the same into a cohort's folder**", (Target("read_loop", None),), 300),
        Row("read_loop", "loop of orjson to Arrow tables"),
        Row(
            "read_as_server",
            "**what a server gives back to tables**",
            (Target("read_loop_as_server", 1), Target("read_pyrate", None)),
        ),
        Row(
            "import_as_server",
            "**the same into a cohort's folder**",
            (Target("read_loop_as_server", None),),
            300,
        ),
        Row("read_loop_as_server", "loop of orjson, same files"),
        Row(
            "read_foreign",
            "**other codes, units, extensions to tables**",
            (Target("read_loop_as_server", 1), Target("read_pyrate", None)),
        ),
        Row(
            "import_foreign",
            "**the same into a cohort's folder**",
            (Target("read_loop_as_server", None),),
            300,
        ),
        Row("read_pyrate", "fhir-pyrate, Bundles to frames (sample)"),
    ),
    "Site files": (
        Row("harmonise_site", "**harmonise**", (Target("harmonise_pandas", None),)),
        Row("harmonise_pandas", "plain pandas, no provenance"),
        Row("validate_rules", "**validate**", (Target("validate_pandas", None),)),
        Row("validate_pandas", "plain pandas masks, counts only"),
    ),
}
ROWS = tuple(row for rows in GROUPS.values() for row in rows)
# What takes many minutes for the largest size, or holds everything in memory and says so already.
UP_TO = {"validate_rules": 20_000, "validate_pandas": 20_000}
