"""How a server is read: by search, patient by patient, or by bulk export, and why."""

from dataclasses import dataclass

from imnm_fhir.download.selection import Selection, Wanted
from imnm_fhir.errors import UsageError
from imnm_fhir.server.capabilities import Capabilities, read_capabilities, to_capabilities
from imnm_fhir.server.reading.search import Query, count_query
from imnm_fhir.server.request.connection import Connection

SEARCH, EVERYTHING, BULK = "search", "everything", "bulk"
METHODS = (SEARCH, EVERYTHING, BULK)
_EXPORTS = frozenset({"export", "patient-export", "group-export"})
_PLACES = frozenset({"", "Patient", "Group"})
MANY = 50_000  # resources from which an export is worth its waiting


@dataclass(frozen=True)
class Method:
    """The way that was chosen, and the reason in words."""

    name: str
    why: str

    def sentence(self) -> str:
        """The way and the reason, for a person."""
        ways = {
            SEARCH: "by search",
            EVERYTHING: "patient by patient ($everything)",
            BULK: "by bulk export",
        }
        return f"read {ways.get(self.name, self.name)} ({self.why})"


@dataclass(frozen=True)
class Offered:
    """Which ways the server's CapabilityStatement names beside search."""

    bulk: frozenset[str] = frozenset()  # where: "", "Patient", "Group"
    everything: bool = False


def read_offered(connection: Connection) -> Offered:
    """What the server says of `$export` and `Patient/$everything`; nothing where it says nothing."""
    capabilities = read_summary(connection)
    named = {"": capabilities.operations} | {
        p: capabilities.of(p).operations for p in _PLACES - {""}
    }
    bulk = {place for place, names in named.items() if {n.lstrip("$") for n in names} & _EXPORTS}
    patient = {name.lstrip("$") for name in capabilities.of("Patient").operations}
    return Offered(frozenset(bulk), "everything" in patient)


def read_summary(connection: Connection) -> Capabilities:
    """The capabilities from the short statement, or from the whole one where that names no type.

    A whole statement has megabytes on some servers.
    """
    statement = connection.request("GET", "metadata?_summary=true").json()
    found = to_capabilities(statement) if isinstance(statement, dict) else Capabilities()
    return found if found.types or found.operations else read_capabilities(connection)


def choose_method(
    connection: Connection, wanted: Wanted, selection: Selection, asked: str | None
) -> Method:
    """The way to read what is wanted: the one that was asked for, else the quickest that is exact.

    Raises UsageError for a way that cannot be restricted as it is wanted.
    """
    if asked == BULK and wanted.listed is not None:
        raise UsageError(
            "--method bulk takes no list of patients: use --method search or a --group"
        )
    if asked:
        return Method(asked, "asked for")
    if selection.patients is not None and wanted.group is None:
        return Method(SEARCH, "a list of patients is searched for directly")
    offered = read_offered(connection)
    place = "Group" if wanted.group else ""
    if place not in offered.bulk:
        return Method(SEARCH, "the server names no bulk export")
    count = _count(connection, list(selection.all()))
    if count is None or count < MANY:
        return Method(SEARCH, f"fewer than {MANY:,} resources")
    others = _count(connection, [Query(kind) for kind in wanted.types]) if wanted.tag else count
    if wanted.group is None and (others is None or others > 2 * count):
        return Method(SEARCH, "most of what an export would give is of others")
    return Method(BULK, f"{count:,} resources, and the server has bulk export")


def _count(connection: Connection, queries: list[Query]) -> int | None:
    counts = [count_query(connection, query) for query in queries]
    return None if None in counts else sum(count or 0 for count in counts)
