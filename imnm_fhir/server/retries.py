"""How long to wait before a request is tried again."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_FIRST_WAIT = 0.5  # seconds
_LONGEST_WAIT = 30.0


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
        return float(value)
    until = _date(value)
    if until is None:
        return None
    since = now or _date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - since).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
