"""Patience: when a request is tried again, and after which wait."""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from time import monotonic, sleep

from imnm_fhir.errors import ServerError
from imnm_fhir.server.request.transport import LostError, Response, status_text

logger = logging.getLogger(__name__)

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_FIRST_WAIT = 0.5  # seconds
_LONGEST_WAIT = 30.0


class UnansweredError(ServerError):
    """Patience ended without an answer: whether the server has acted is unknown.

    `status` is 429, 502, 503 or 504, or None where no whole answer came; `wait` are the seconds
    after which another attempt may be made, as the server asked or by our own backoff.
    """

    def __init__(self, message: str, status: int | None, wait: float) -> None:
        """Keep `status` and `wait`."""
        super().__init__(message)
        self.status = status
        self.wait = wait


class DeadlineError(ServerError):
    """The time that the user gave to all work with the server is over."""

    def __init__(self, place: str, trouble: str = "") -> None:
        """Say it; `trouble` is what kept us."""
        kept = f" ({trouble})" if trouble else ""
        super().__init__(
            f"{place}: the deadline has passed{kept}: what is done stays; repeat the command"
        )


@dataclass(frozen=True)
class Patience:
    """How long to try: `lasting` seconds for new attempts, `ends` is the moment of the deadline.

    `longest` is what a single attempt may take at least, however short the patience is.
    """

    place: str
    lasting: float
    longest: float
    ends: float = inf
    repeatable: bool = True

    def persist(
        self, attempt: Callable[[float], Response], moved: Callable[[], bool] = lambda: False
    ) -> Response:
        """Return the first answer of `attempt` that is no reason to try again.

        `attempt` is given the seconds it may take, and raises LostError when no answer came.
        `moved` says whether there was headway since it was last asked: then patience starts anew.

        Raises UnansweredError, one line, when patience ends, and DeadlineError.
        """
        start, attempts = monotonic(), 0
        while True:
            if monotonic() >= self.ends:
                raise DeadlineError(self.place)
            asked = status = None
            try:
                response = attempt(self._seconds(start))
                if response.status not in RETRIED_STATUSES:
                    return response
                status = response.status
                trouble, advice = f"answered {status_text(status)}", "try again later"
                asked = retry_after(response.headers)
            except LostError as lost:
                trouble, advice = str(lost), "check address and network"
            if moved():
                start, attempts = monotonic(), 0
            wait = asked or backoff(attempts)
            attempts += 1
            now = monotonic()
            if now >= self.ends or (self.repeatable and now + wait > self.ends):
                raise DeadlineError(self.place, trouble)
            if not self.repeatable or now + wait > start + self.lasting:
                more = f"; it asks to wait {asked:.0f} seconds" if asked else ""
                times = f" ({attempts} attempts)" if attempts > 1 else ""
                raise UnansweredError(
                    f"{self.place}: {trouble}{times}{more}: {advice}", status, wait
                )
            logger.warning("%s: %s, next attempt in %.1f s", self.place, trouble, wait)
            sleep(wait)

    def _seconds(self, start: float) -> float:
        now = monotonic()
        return min(max(start + self.lasting - now, self.longest), self.ends - now)


def backoff(attempt: int) -> float:
    """Return the seconds to wait after failed attempt number `attempt`, from 0 on.

    It doubles from half a second to 30 seconds; the jitter (half to whole) keeps clients that
    failed together from coming back together.
    """
    return random.uniform(0.5, 1.0) * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 10))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for, None when there is none to use.

    Both forms of RFC 9110, section 10.2.3: seconds, or a date, which is read against the server's
    own Date header where it has one, since its clock may differ from ours.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    until = date_of(value)
    if until is None:
        return None
    since = now or date_of(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - since).total_seconds())


def date_of(value: str) -> datetime | None:
    """Return the moment that an HTTP header says, None when it says none."""
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
