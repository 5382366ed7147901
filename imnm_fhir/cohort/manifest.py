"""The manifest of a cohort and its form: what others may rely on, told at once where somebody edited it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from imnm_fhir.dictionary import TABLES, load_dictionary

FORMAT = 1
SITE_TEXTS = ("name", "country", "language", "cut_off", "kind", "legal_basis")


def new_manifest(origin: str, sites: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A manifest without tables; `write_cohort` adds them."""
    return {
        "format": FORMAT,
        "origin": origin,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dictionary_version": load_dictionary().version,
        "sites": {site: dict(about) for site, about in sites.items()},
        "tables": {},
        "issues": None,
        "cells": None,
        "validation": None,
        "stamps": [],
    }


def table_hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by table: what a validation is bound to."""
    return {name: manifest["tables"][name]["sha256"] for name in TABLES}


def manifest_fault(manifest: Mapping[str, Any]) -> str | None:
    """The first entry that is not what a manifest has there; None where all are."""
    return next(_faults(manifest), None)


def _faults(manifest: Mapping[str, Any]) -> Iterator[str]:
    sites, tables = manifest.get("sites"), manifest.get("tables")
    if not isinstance(sites, dict):
        yield "sites"
    else:
        yield from (f"sites.{site}" for site, about in sites.items() if not _is_site(about))
    if not isinstance(tables, dict):
        yield "tables"
    else:
        yield from (f"tables.{name}" for name in TABLES if not _is_file(tables.get(name)))
    if not _is_file(manifest.get("issues")):
        yield "issues"
    if manifest.get("cells") is not None and not _is_file(manifest["cells"]):
        yield "cells"
    if not isinstance(manifest.get("validation"), dict | None):
        yield "validation"
    if not isinstance(manifest.get("dictionary_version"), str):
        yield "dictionary_version"
    stamps = manifest.get("stamps", [])
    if not isinstance(stamps, list) or not all(isinstance(each, str) for each in stamps):
        yield "stamps"


def _is_site(about: object) -> bool:
    if not isinstance(about, dict):
        return False
    texts = all(isinstance(about.get(name), str | None) for name in SITE_TEXTS)
    sources = about.get("sources", [])
    lists = isinstance(sources, list) and all(isinstance(each, dict) for each in sources)
    return texts and lists and _is_day(about.get("cut_off"))


def _is_day(text: str | None) -> bool:
    try:
        return text is None or date.fromisoformat(text) is not None
    except ValueError:
        return False


def _is_file(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), str) for name in ("file", "sha256"))
        and type(entry.get("rows")) is int
    )
