"""The client of a FHIR R4 server: connect to it, export to it, import from it."""

from imnm_fhir.server.connection import (
    Connection,
    DeadlineError,
    Download,
    Response,
    UnansweredError,
)
from imnm_fhir.server.credentials import Credentials, read_credentials
from imnm_fhir.server.options import ServerOptions
from imnm_fhir.server.reading import import_resources
from imnm_fhir.server.session import connect
from imnm_fhir.server.words import cut_values

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
