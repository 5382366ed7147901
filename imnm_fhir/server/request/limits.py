"""How long one attempt may take: when its time is over its sockets are shut, whatever it waits for.

A timeout alone ends only silence: a server that sends one byte a minute would hold us for ever.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread, local
from time import monotonic

_LONGEST_WAIT = 3600.0  # seconds; an Event cannot wait for infinity
_AGAIN = 0.2  # seconds; a socket that is opened after the end is shut as well
_here = local()


class Limit:
    """The seconds that an attempt may take; `passed` says whether they are over."""

    def __init__(self, seconds: float) -> None:
        """Take the time from now on."""
        self.seconds = seconds
        self.passed = False
        self._ends = monotonic() + seconds
        self._done = Event()
        self._sockets: list[socket.socket] = []

    def extend(self, ends: float) -> None:
        """Give the whole time again, but not beyond the moment `ends`: there was headway."""
        self._ends = min(monotonic() + self.seconds, ends)

    def watch(self, watched: object) -> None:
        """Shut this socket, too, when the time is over."""
        if isinstance(watched, socket.socket):
            self._sockets.append(watched)

    def stop(self) -> None:
        """Watch no longer."""
        self._done.set()

    def run(self) -> None:
        """Wait for the end, or for `stop`."""
        while not self._done.wait(self._pause()):
            if monotonic() >= self._ends:
                self.passed = True
                for each in self._sockets:
                    with suppress(OSError):
                        # The method of a plain socket: that of TLS would first end its session.
                        socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _pause(self) -> float:
        return max(_AGAIN if self.passed else 0, min(self._ends - monotonic(), _LONGEST_WAIT))


@contextmanager
def limited(seconds: float) -> Iterator[Limit]:
    """Yield the limit of what this thread asks inside."""
    limit = Limit(max(0.0, seconds))
    Thread(target=limit.run, daemon=True).start()
    _here.limit = limit
    try:
        yield limit
    finally:
        _here.limit = None
        limit.stop()


def watch(watched: object) -> None:
    """Put a socket under the limit of this thread, if there is one."""
    limit: Limit | None = getattr(_here, "limit", None)
    if limit is not None:
        limit.watch(watched)
