"""From cohorts' folders to a pool, and from a pool to Table 1."""

from collections.abc import Sequence
from pathlib import Path

from imnm_fhir.cohort import read_cohort, write_cohort
from imnm_fhir.flow.endorsed import endorsement_lines
from imnm_fhir.flow.gate import NOTHING_ALLOWED, Gate, pass_gate
from imnm_fhir.flow.withdrawn import leave_out_withdrawn
from imnm_fhir.languages import counted, untranslated_lines


def pool_folders(folders: Sequence[Path], out: Path, *, gate: Gate = NOTHING_ALLOWED) -> list[str]:
    """Pool validated cohorts into the folder `out`; what happened, a line each."""
    from imnm_fhir.pool import pool

    leaving = [pass_gate(folder, gate) for folder in folders]
    pooled = write_cohort(leave_out_withdrawn(pool([each.cohort() for each in leaving]), out), out)
    stayed = [line for each in leaving for line in each.flow.lines()]
    stayed += endorsement_lines(out)
    people = pooled.tables["patients"].num_rows
    sites = counted(len(pooled.sites), "site")
    return [*stayed, f"{out}: {counted(people, 'patient')} of {sites} pooled"]


def table1_of(
    folder: Path,
    out: Sequence[Path] = (),
    *,
    study: Path | None = None,
    language: str = "en",
    small_cells: str | None = None,
) -> tuple[str, list[str]]:
    """Table 1 of the cohort in `folder` as text; also written to each of `out` by its ending.

    With it what is to be told beside, a line each: sentences that stayed English, and small cells
    in those files; `small_cells` stands over the study's choice (`imnm_fhir.study.SMALL_CELLS`).
    Raises `FindingsError` where the choice is to refuse them; nothing is written then.
    """
    from imnm_fhir.derive import derive_cases
    from imnm_fhir.study import load_study
    from imnm_fhir.table1 import disclosed, table1, write_table1

    chosen = load_study(study)
    table = table1(derive_cases(read_cohort(folder), chosen), chosen, language=language)
    notes = untranslated_lines(table.untranslated, language)
    if not out:
        return table.text(), notes
    choice = small_cells or chosen.small_cells
    shared, said = disclosed(table, choice, chosen.limit("disclosure", "least"))
    for path in out:
        write_table1(shared, path)
    return shared.text(), [*notes, *([said] if said else [])]
