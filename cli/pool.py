"""imnm-fhir pool: several validated cohorts as one."""

from pathlib import Path

import click

from imnm_fhir.cli.options import (
    PATH,
    example,
    gate_options,
    out_option,
    study_option,
    voice_options,
)
from imnm_fhir.cli.output import Voice


@click.command(
    name="pool", epilog=example("imnm-fhir pool build/madrid build/freiburg --out build/pool")
)
@click.argument("cohorts", nargs=-1, required=True, type=PATH)
@out_option("The pool's folder.")
@gate_options
@study_option
@voice_options
def command(
    cohorts: tuple[Path, ...], out: Path, waivers: Path | None,
    exclude_failing_patients: bool, allow_errors: bool, study: Path | None, voice: Voice,
) -> None:  # fmt: skip
    """Pool validated COHORTS into one.

    The site of each row is kept; the same site twice is refused; a patient without valid consent
    stays out and is counted. A study may demand that an investigator has endorsed each cohort
    (imnm-fhir queries sign).
    """
    from imnm_fhir.flow import Gate, pool_folders

    gate = Gate(waivers, exclude_failing_patients, allow_errors, study)
    with voice.progress("pooling"):
        lines = pool_folders(list(cohorts), out, gate=gate)
    for line in lines:
        voice.say(line)
