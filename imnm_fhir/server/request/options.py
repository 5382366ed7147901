"""How a server is talked to: what a user may choose once for all requests of a command."""

from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class ServerOptions:
    """The choices of one command; credentials are apart, so nothing here is a secret.

    `timeout`: seconds of silence that end one attempt. `patience`: seconds after which a request is
    not tried again, and a download that does not move ends. `deadline`: seconds after which all
    work with the server ends, a request under way included; None for never. `ca_bundle`: the only
    authorities to trust, instead of those of the system. `compress`: bodies are sent with gzip
    where the server takes it; None for wherever a network lies between. `largest_answer`: bytes,
    decompressed, of one answer that is held in memory.
    """

    timeout: float = 60
    patience: float = 300
    deadline: float | None = None
    insecure_http: bool = False
    rewrite_links: bool = False
    ca_bundle: Path | None = None
    compress: bool | None = None
    largest_answer: int = 256 * MEGABYTE
