"""Code systems and codings: which codes may be written, and what a foreign code means.

A code counts only together with its system: 2157-6 is creatine kinase in LOINC and an ethnicity in
another list. Only codes of `mappings/terminology/codes.csv` (each seen with its display in a public
source) and of the project's own CodeSystems are ever written.
"""

import csv
import io
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from imnm_fhir.errors import ImnmFhirError


def mappings() -> Traversable:
    """The folder `mappings/` as installed."""
    return files("imnm_fhir.mappings")


@dataclass(frozen=True)
class Coding:
    """A code of one system with its display, as FHIR's Coding."""

    system: str
    code: str
    display: str

    def fhir(self) -> dict[str, str]:
        """The Coding as FHIR JSON."""
        return {"system": self.system, "code": self.code, "display": self.display}


@dataclass(frozen=True)
class Project:
    """The project's addresses: `base`, short names of systems, other addresses of the same system.

    `publisher`, `disease`, `dictionary_version` and `dictionary_date` stand in every FHIR definition.
    """

    base: str
    publisher: str
    disease: str
    dictionary_version: str
    dictionary_date: str
    languages: tuple[str, ...]
    systems: dict[str, str]
    same_system: dict[str, str]

    @property
    def tag(self) -> tuple[str, str]:
        """System and code of the tag that each of our resources carries."""
        return f"{self.base}/project", "imnm-fhir"

    def system(self, short: str) -> str:
        """The address that a short name such as `loinc` stands for."""
        if short not in self.systems:
            raise ImnmFhirError(f"project.toml: no system is called '{short}'")
        return self.systems[short]

    def local(self, kind: str, name: str) -> str:
        """The project's own canonical address, such as `local("CodeSystem", "serogroup")`."""
        return f"{self.base}/{kind}/{name.replace('_', '-')}"

    def canonical_system(self, address: str) -> str:
        """The address that we write for a system that others may call otherwise."""
        short = self.same_system.get(address)
        return self.systems[short] if short else address


@cache
def load_project() -> Project:
    """The contents of `mappings/project.toml`."""
    raw: dict[str, Any] = tomllib.loads((mappings() / "project.toml").read_text("utf-8"))
    return Project(
        base=raw["base"],
        publisher=raw["publisher"],
        disease=raw["disease"],
        dictionary_version=raw["dictionary_version"],
        dictionary_date=raw["dictionary_date"],
        languages=tuple(raw["languages"]),
        systems=raw["systems"],
        same_system=raw["same_system"],
    )


@cache
def load_codes() -> dict[tuple[str, str], str]:
    """Display by (system, code) for every verified public code."""
    text = (mappings() / "terminology" / "codes.csv").read_text("utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return {(row["system"], row["code"]): row["display"] for row in rows}


def parse_coding(text: str) -> Coding:
    """The Coding that `loinc:2157-6` stands for.

    Raises `ImnmFhirError` where the system has no short name or the code is not verified.
    """
    short, _, code = text.partition(":")
    system = load_project().system(short)
    display = load_codes().get((system, code))
    if display is None:
        raise ImnmFhirError(
            f"code '{text}' is not in terminology/codes.csv; add it with its source"
        )
    return Coding(system, code, display)
