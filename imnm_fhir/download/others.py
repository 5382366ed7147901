"""What a server has beside the types that are read: listed, so that nobody takes it for read."""

import re

from imnm_fhir.download.method import read_summary
from imnm_fhir.download.selection import Wanted
from imnm_fhir.languages import counted
from imnm_fhir.server.reading.counts import count_queries
from imnm_fhir.server.reading.search import Query
from imnm_fhir.server.request.connection import Connection

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,40}")
# Types that describe a server or its users and hold nothing of a patient.
_ABOUT_THE_SERVER = frozenset(
    {
        "Binary", "Bundle", "CapabilityStatement", "CodeSystem", "CompartmentDefinition", "ConceptMap",
        "ImplementationGuide", "Library", "MessageDefinition", "NamingSystem", "OperationDefinition",
        "OperationOutcome", "Parameters", "SearchParameter", "StructureDefinition", "StructureMap",
        "Subscription", "TerminologyCapabilities", "TestReport", "TestScript", "ValueSet",
    }
)  # fmt: skip


def unread_types(connection: Connection, wanted: Wanted) -> list[str]:
    """A line for each type that is not read and of which the server has resources, with how many.

    Asked in one request; a server that takes no batch is not asked type by type.
    """
    said = {kind for kind in read_summary(connection).types if _TYPE.fullmatch(kind)}
    others = sorted(said - _ABOUT_THE_SERVER - set(wanted.types))
    counts = count_queries(connection, [Query(t, (), wanted.tag) for t in others], singly=False)
    return [
        f"{kind}: {counted(count, 'resource')} at the server, of a kind that is not read"
        for kind, count in zip(others, counts, strict=True)
        if count
    ]
