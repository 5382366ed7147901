"""Who may leave a cohort's folder, before anything is exported or pooled."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.cohort import Cohort, keep_patients, read_cohort, read_people
from imnm_fhir.errors import FindingsError
from imnm_fhir.flow.endorsed import ENDORSEMENTS, endorsed, endorsement_faults
from imnm_fhir.flow.withdrawn import leave_out_withdrawn
from imnm_fhir.study import load_study

if TYPE_CHECKING:
    import pyarrow as pa

    from imnm_fhir.validation import Flow


@dataclass(frozen=True)
class Gate:
    """What a user allows at the gate: waiver file, failing patients left out, errors allowed.

    `study` is the study's TOML, which may demand that an investigator has endorsed the cohort.
    """

    waivers: Path | None = None
    exclude_failing: bool = False
    allow_errors: bool = False
    study: Path | None = None


NOTHING_ALLOWED = Gate()


@dataclass(frozen=True)
class Leaving:
    """Who may leave a cohort's folder: their keys (site, patient), the flow, what was allowed."""

    folder: Path
    people: "pa.Table"
    flow: "Flow"

    @property
    def stamps(self) -> list[str]:
        """What was allowed against the rules."""
        return [self.flow.stamp] if self.flow.stamp else []

    def cohort(self) -> Cohort:
        """The part of the cohort that may leave, with the flow in its manifest."""
        kept = keep_patients(read_cohort(self.folder), self.people)
        stamps = [*kept.manifest.get("stamps", []), *self.stamps]
        manifest = {**kept.manifest, "flow": self.flow.record(), "stamps": stamps}
        manifest |= {ENDORSEMENTS: self._endorsements(kept)}
        return replace(kept, manifest=manifest, cells=None)  # the site's own words stay at home

    def _endorsements(self, kept: Cohort) -> dict[str, dict[str, str]]:
        """What was endorsed of the cohort, with the hash of the part that leaves."""
        said = endorsed(self.folder)
        if not said:
            return {}
        from imnm_fhir.fhir.endorsement import content_hashes

        hashes = content_hashes(kept.tables)
        return {
            site: {**each, "content": hashes[site]} for site, each in said.items() if site in hashes
        }


def pass_gate(folder: Path, gate: Gate = NOTHING_ALLOWED, need_validation: bool = True) -> Leaving:
    """Pass the gate with the patients and their consent alone, however large the cohort is."""
    from imnm_fhir import validation

    _check_signed(folder, gate)
    gated, flow = validation.gate(
        leave_out_withdrawn(read_people(folder, validation.CONSENT_ELEMENTS), folder),
        today=date.today(),
        exclude_failing=gate.exclude_failing,
        allow_errors=gate.allow_errors,
        waivers=validation.load_waivers(gate.waivers) if gate.waivers else (),
        need_validation=need_validation,
    )
    return Leaving(folder, gated.tables["patients"].select(["site", "patient"]), flow)


def _check_signed(folder: Path, gate: Gate) -> None:
    """Raise `FindingsError` where the study asks for an endorsement and the cohort, as it is, has none."""
    if gate.study is None or not load_study(gate.study).signed:
        return
    if faults := endorsement_faults(folder):
        raise FindingsError(
            f"{folder}: the study pools only what an investigator has endorsed: {'; '.join(faults)}"
        )
