from datetime import UTC, datetime

import pytest

from imnm_fhir.server.request.retries import backoff, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_both_forms_of_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_a_date_is_read_against_the_clock_of_the_server() -> None:
    headers = {
        "Date": "Sun, 01 Mar 2026 12:00:00 GMT",
        "Retry-After": "Sun, 01 Mar 2026 12:00:07 GMT",
    }
    assert retry_after(headers) == 7.0


def test_waits_double_with_jitter_up_to_a_limit() -> None:
    for attempt, whole in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30]):
        assert all(whole / 2 <= backoff(attempt) <= whole for _ in range(20))
    assert len({backoff(3) for _ in range(20)}) > 1
    assert backoff(100_000) <= 30
