"""The places that data come from and go to, as a user names them."""

import re
from collections.abc import Callable
from pathlib import Path

from imnm_fhir.errors import UsageError

Progress = Callable[[int], None]
NO_FOLDERS = (
    ".xml",
    ".ndjson",
    ".csv",
    ".xlsx",
    ".zip",
    ".gz",
    ".txt",
)  # meant as files, not as folders


BARE_ADDRESS = re.compile(r"([\w-]+\.)+[A-Za-z]{2,}(:\d+)?/|[\w.-]{2,}:\d+(/|$)")


def is_url(target: str) -> bool:
    """Whether a target is a server's address.

    Raises `UsageError` for `example.org/fhir`: a folder of that name would be taken for a server.
    """
    if "://" in target:
        return True
    if BARE_ADDRESS.match(target) and not Path(target.split("/")[0]).exists():
        raise UsageError(
            f"{target}: write https://{target} for a server, or ./{target} for a folder"
        )
    return False
