"""The deliveries that a cohort is made of, and how the earlier ones are made again.

A correction may be about a row that only an earlier delivery holds. Where its files are still what
they were, the cohort is made again from all deliveries in their order, each through its mapping as it
was then, with what the site says by now on top.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.harmonise import harmonise
from imnm_fhir.harmonise.corrected_rows import Correction
from imnm_fhir.harmonise.corrections import APPLIED, GONE
from imnm_fhir.harmonise.deliveries import put_on_top, site_of
from imnm_fhir.sites.load import parse_site_mapping
from imnm_fhir.sites.mapping import SiteMapping
from imnm_fhir.written import file_hash

if TYPE_CHECKING:
    from imnm_fhir.harmonise.patients import Suspect

DELIVERIES, SEARCHED = "deliveries", "searched"  # in what the manifest says of the site


@dataclass(frozen=True)
class Delivery:
    """One delivery: its files, the hashes of those that were read, its mapping as it was then."""

    files: tuple[Path, ...]
    hashes: frozenset[str]
    source: str
    text: str

    def lacking(self) -> list[Path]:
        """The files that are gone; all of them where one is not what it was."""
        gone = [each for each in self.files if not each.is_file()]
        if gone or self.hashes <= {file_hash(each) for each in self.files}:
            return gone
        return list(self.files)

    def record(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {
            "files": [str(each) for each in self.files],
            "sha256": sorted(self.hashes),
            "mapping": self.source,
            "text": self.text,
        }


@dataclass(frozen=True)
class Answered:
    """What a site says of its files: corrections, and patients who are not its own."""

    corrections: Sequence[Correction] = ()
    foreign: Collection[str] = ()


def delivery_of(files: Sequence[Path], mapping: SiteMapping, cohort: Cohort) -> Delivery:
    """The delivery that a cohort was just made of."""
    hashes = {str(each["sha256"]) for each in site_of(cohort)["sources"]}
    return Delivery(
        tuple(each.resolve() for each in files), frozenset(hashes), mapping.source, mapping.text
    )


def deliveries_of(cohort: Cohort) -> tuple[Delivery, ...]:
    """The deliveries of a cohort in their order, as far as its manifest tells."""
    return tuple(
        Delivery(
            tuple(Path(path) for path in each["files"]),
            frozenset(each["sha256"]),
            each["mapping"],
            each["text"],
        )
        for each in site_of(cohort).get(DELIVERIES) or []
    )


def holds_all(cohort: Cohort, answered: Answered) -> bool:
    """Whether the cohort was made with just these answers."""
    replayed = site_of(cohort).get("corrections", {})
    people: set[str] = set(cohort.tables["patients"]["patient"].to_pylist())
    return set(replayed) == {each.id for each in answered.corrections} and not (
        people & set(answered.foreign)
    )


def made_again(
    deliveries: Sequence[Delivery],
    answered: Answered,
    asked_of: str | None,
    suspect: "Suspect | None" = None,
) -> Cohort | None:
    """The cohort of these deliveries with what was answered; None where there are none.

    Rows of `suspect` patients are held back as they were when the delivery came, and a corrected row
    takes the place of another as little as then.
    """
    base: Cohort | None = None
    for each in deliveries:
        mapping = parse_site_mapping(each.text, each.source)
        known = people_of(base)
        made = harmonise(
            each.files,
            mapping,
            corrections=answered.corrections,
            foreign=answered.foreign,
            known=known,
            asked_of=asked_of,
            suspect=suspect,
        )
        sent = source_ids(each.files, mapping, made, known) if base else ()
        base = put_on_top(base, made, sent) if base else made
    return base


def people_of(cohort: Cohort | None) -> dict[str, dict[str, Any]]:
    """The patients of a cohort with what their rows say; none where there is no cohort."""
    rows = cohort.tables["patients"].to_pylist() if cohort else []
    return {
        row["patient"]: {name: value for name, value in row.items() if value is not None}
        for row in rows
    }


def waiting(cohort: Cohort, answered: Answered) -> int:
    """How many answers the cohort does not hold."""
    replayed = site_of(cohort).get("corrections", {})
    people = set(cohort.tables["patients"]["patient"].to_pylist())
    lost = [each for each in answered.corrections if replayed.get(each.id, GONE) == GONE]
    return len(lost) + len(people & set(answered.foreign))


def source_ids(
    files: Sequence[Path],
    mapping: SiteMapping,
    made: Cohort,
    known: Mapping[str, Mapping[str, Any]],
) -> set[str]:
    """The ids that the rows of a delivery have without corrections, if any of these was used.

    A corrected date gives a row another key; by the one of its source it is known as the same row.
    """
    if APPLIED not in site_of(made).get("corrections", {}).values():
        return set()
    plain = harmonise(files, mapping, known=known)
    return {ident for table in plain.tables.values() for ident in table["id"].to_pylist()}
