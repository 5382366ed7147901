"""The client of a FHIR R4 server: connect to it, export to it, import from it."""

from imnm_fhir.server.identity.credentials import Credentials, read_credentials
from imnm_fhir.server.reading.whole_types import import_resources
from imnm_fhir.server.request.connection import (
    Connection,
    DeadlineError,
    Download,
    Response,
    UnansweredError,
)
from imnm_fhir.server.request.options import ServerOptions
from imnm_fhir.server.request.words import cut_values
from imnm_fhir.server.session import connect

__all__ = [
    "Connection",
    "Credentials",
    "DeadlineError",
    "Download",
    "Response",
    "ServerOptions",
    "UnansweredError",
    "connect",
    "cut_values",
    "import_resources",
    "read_credentials",
]
