"""Runs the HL7 validator of FHIR R4, without a network."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from servers.java import JavaError, Program, java_command

VALIDATOR = Program(
    "validator", "Validate", rehearsal=("-u", "http://loinc.org", "rehearsal.ndjson")
)


def validate_files(
    files: Sequence[Path], profiles: Iterable[Path] = (), accepted_systems: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Every error and warning in `files` (.ndjson with a resource per line, or .json with one).

    `profiles` are folders with own StructureDefinitions, ValueSets and CodeSystems as JSON. Codes of
    `accepted_systems` (LOINC, SNOMED CT and others that are not on disk) are accepted if their form
    is right; those of any other unknown system are errors. A problem is a dict: file, line, severity
    (fatal, error, warning), id, location, message. Raises `JavaError` where nothing could be checked.
    """
    arguments = [part for folder in profiles for part in ("-p", str(folder))]
    arguments += [part for system in accepted_systems for part in ("-u", system)]
    command = java_command(VALIDATOR, [*arguments, *map(str, files)], [])
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode != 0:
        raise JavaError(f"the validator failed:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]
