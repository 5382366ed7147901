"""From a server's address to its diagnosis."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imnm_fhir.doctor import Diagnosis
    from imnm_fhir.server import ServerOptions


def examine(url: str, server: "ServerOptions | None" = None) -> "Diagnosis":
    """What the server at `url` can do and what is there; nothing is written."""
    from imnm_fhir.doctor import diagnose
    from imnm_fhir.server import connect, read_credentials

    with connect(url, read_credentials(), server) as connection:
        return diagnose(connection)
