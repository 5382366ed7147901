"""The places that data come from and go to, as a user names them."""

from collections.abc import Callable

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


def is_url(target: str) -> bool:
    """Whether a target is a server's address."""
    return "://" in target
