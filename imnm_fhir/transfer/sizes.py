"""How many resources go into one request: fewer where the server is slow or says too much."""

import threading

_SLOW, _QUICK = 15.0, 3.0  # seconds for one request
LARGEST = 4_000_000  # bytes of one request, before compression


class BundleSize:
    """The size that is right at present; shared by all that send."""

    def __init__(self, most: int) -> None:
        """Begin with the most that the user allows."""
        self.size = most
        self._most = most
        self._lock = threading.Lock()

    def learn(self, seconds: float, number: int) -> None:
        """Take note of a request that worked: grow again while it is quick, shrink when slow."""
        with self._lock:
            if seconds > _SLOW and number > 1:
                self.size = max(1, min(self.size, number // 2))
            elif seconds < _QUICK and number >= self.size:
                self.size = min(self._most, self.size + max(1, self.size // 4))

    def halve(self, number: int, *, forever: bool = False) -> None:
        """Take note that `number` in one request were too many; `forever` when the server said so."""
        with self._lock:
            self.size = max(1, min(self.size, number // 2))
            if forever:
                self._most = self.size
