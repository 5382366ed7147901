"""Whether a cohort is what an investigator endorsed: by its tables at the site, by its rows elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import read_manifest, table_file
from imnm_fhir.dictionary import TABLES
from imnm_fhir.queries.record.signing import is_signed

SITE_FILE = "site file"
ENDORSEMENTS = "endorsements"
TEXTS = ("by", "role", "statement", "at", "state")
NOT_SIGNED = (
    "was not endorsed, or was changed since; run imnm-fhir queries sign on it at the site, then export "
    "or hand it over again"
)
OF_ANOTHER_STATE = (
    "the endorsement that came with it is of another state: what is here is not what was signed; ask the "
    "site to sign and export again, and import all of it"
)


def endorsement_faults(folder: Path) -> list[str]:
    """Why a cohort's folder is not endorsed, a line for each site; nothing where it is."""
    manifest = read_manifest(folder)
    if manifest["origin"] == SITE_FILE:
        return [] if is_signed(manifest) else [NOT_SIGNED]
    said, held = manifest.get(ENDORSEMENTS, {}), _endorsed_sites(folder, manifest)
    return [
        f"{site}: {OF_ANOTHER_STATE if site in said else NOT_SIGNED}"
        for site in sorted(manifest["sites"])
        if site not in held
    ]


def endorsed(folder: Path) -> dict[str, dict[str, str]]:
    """What investigators have declared of the cohort exactly as it is, by site."""
    manifest = read_manifest(folder)
    if manifest["origin"] == SITE_FILE:
        signed = manifest["signed"] if is_signed(manifest) else None
        return {site: _texts(signed) for site in manifest["sites"]} if signed else {}
    return {
        site: _texts(manifest[ENDORSEMENTS][site]) for site in _endorsed_sites(folder, manifest)
    }


def endorsement_lines(folder: Path) -> list[str]:
    """What is said to a person of the endorsements that came with a cohort, a line each."""
    manifest = read_manifest(folder)
    held = _endorsed_sites(folder, manifest)
    return [
        f"{site}: endorsed by {each['by']} ({each['role']}) on {each['at'][:10]}; "
        + ("what was read is what was signed" if site in held else OF_ANOTHER_STATE)
        for site, each in sorted(manifest.get(ENDORSEMENTS, {}).items())
    ]


def _endorsed_sites(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """The sites of an import or a pool whose rows have the hash that was endorsed."""
    said = manifest.get(ENDORSEMENTS)
    if not said:
        return []
    from imnm_fhir.fhir.endorsement import content_hashes_of_files

    here = content_hashes_of_files(
        {name: str(table_file(folder, manifest, name)) for name in TABLES}
    )
    return [site for site, each in sorted(said.items()) if here.get(site) == each["content"]]


def _texts(said: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(said[name]) for name in TEXTS}
