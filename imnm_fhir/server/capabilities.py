"""What a server says that it can do: its CapabilityStatement, read once and kept small.

Servers leave out what they can do and claim what they cannot (HAPI lists neither `updateCreate` nor
`batch`, and does both): what stands here chooses what is tried first, never what is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.errors import ServerError
from imnm_fhir.server.request.connection import Connection


@dataclass(frozen=True)
class TypeCapability:
    """What is said of one resource type; None where nothing is said.

    https://hl7.org/fhir/R4/capabilitystatement.html
    """

    interactions: frozenset[str] = frozenset()
    update_create: bool | None = None
    conditional_create: bool | None = None
    conditional_update: bool | None = None
    conditional_delete: str | None = None
    versioning: str | None = None
    search_parameters: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Capabilities:
    """What a server says of itself: versions, formats, interactions and operations, and each type."""

    fhir_version: str = ""
    software: str = ""
    formats: frozenset[str] = frozenset()
    interactions: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    types: Mapping[str, TypeCapability] = field(default_factory=dict)

    def of(self, kind: str) -> TypeCapability:
        """What is said of a type; nothing for one that is not named."""
        return self.types.get(kind, TypeCapability())

    def denied(self, kinds: Iterable[str], interaction: str) -> list[str]:
        """The types whose interactions are listed without this one."""
        return [
            kind
            for kind in kinds
            if self.of(kind).interactions and interaction not in self.of(kind).interactions
        ]


def read_capabilities(connection: Connection) -> Capabilities:
    """Return what the server at the other end says that it can do.

    Raises ServerError where it says nothing that can be read.
    """
    response = connection.request("GET", "metadata")
    if response.status != 200:
        raise connection.refusal(response, "reading its capabilities")
    statement = response.json()
    if not isinstance(statement, dict):
        raise ServerError(f"{connection.base_url}: its metadata are no JSON: check the address")
    return to_capabilities(statement, connection.software)


def to_capabilities(statement: Mapping[str, Any], software: str = "") -> Capabilities:
    """Return the capabilities in a CapabilityStatement; what is malformed counts as not said."""
    rest = _dicts(statement.get("rest"))
    server = next((each for each in rest if each.get("mode") in (None, "server")), {})
    types = {
        str(each["type"]): _type(each) for each in _dicts(server.get("resource")) if "type" in each
    }
    return Capabilities(
        str(statement.get("fhirVersion", "")),
        software,
        frozenset(str(each) for each in _list(statement.get("format"))),
        _names(server.get("interaction"), "code"),
        _names(server.get("operation"), "name"),
        types,
    )


def _type(resource: Mapping[str, Any]) -> TypeCapability:
    return TypeCapability(
        _names(resource.get("interaction"), "code"),
        _truth(resource.get("updateCreate")),
        _truth(resource.get("conditionalCreate")),
        _truth(resource.get("conditionalUpdate")),
        _text(resource.get("conditionalDelete")),
        _text(resource.get("versioning")),
        _names(resource.get("searchParam"), "name"),
        _names(resource.get("operation"), "name"),
    )


def _names(items: object, key: str) -> frozenset[str]:
    return frozenset(str(each[key]) for each in _dicts(items) if key in each)


def _dicts(items: object) -> list[dict[str, Any]]:
    return [each for each in _list(items) if isinstance(each, dict)]


def _list(items: object) -> list[Any]:
    return items if isinstance(items, list) else []


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
