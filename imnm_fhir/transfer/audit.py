"""Who sent what, where, when and with which result: a line of JSON per request, beside the journal.

Types, ids (hashes of keys), counts, statuses and times; never a value, a key or a word of a patient.
"""

import json
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import user_name


class Audit:
    """An audit log that lines are added to; made with the path of its file."""

    def __init__(self, path: Path, server: str) -> None:
        """Note who works on which machine; nothing is written yet."""
        self._path = path
        self._lock = threading.Lock()
        self._who = {"user": user_name(), "host": platform.node(), "server": server}

    def write(self, event: str, **about: object) -> None:
        """Add one line; it is on disk, or at the system, when this returns.

        Raises `ImnmFhirError` where the line cannot be written.
        """
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        text = json.dumps({**line, **self._who, **about}, ensure_ascii=False)
        try:
            with self._lock:
                new = not self._path.exists()
                with self._path.open("a", encoding="utf-8") as log:
                    log.write(text + "\n")
                if new and os.name == "posix":
                    self._path.chmod(0o600)
        except OSError as error:
            raise ImnmFhirError(
                f"{self._path}: the audit log cannot be written ({error.strerror}): nothing is sent "
                "without it; free space or check permissions"
            ) from None

    def begin(self, command: str, plan: str, counts: Mapping[str, int]) -> None:
        """The start of a command."""
        self.write("begin", command=command, program=_program(), plan=plan, counts=dict(counts))

    def request(
        self, action: str, kind: str, ids: Sequence[str], results: Mapping[str, int],
        status: int | None, seconds: float,
    ) -> None:  # fmt: skip
        """One request: what was sent, and how many ended how."""
        self.write(
            "request", action=action, type=kind, ids=list(ids), results=dict(results),
            status=status, seconds=round(seconds, 3),
        )  # fmt: skip


def _program() -> str:
    return f"imnm-fhir {version('imnm-fhir')}"
