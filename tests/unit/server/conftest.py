from collections.abc import Iterator

import pytest

from imnm_fhir.server import Connection, connect
from tests.unit.server.stand_in import StandIn, stand_in


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("imnm_fhir.server.request.retries.sleep", clock.sleep)
    monkeypatch.setattr("imnm_fhir.server.request.retries.monotonic", clock.monotonic)
    return clock


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as server:
        yield server


@pytest.fixture
def connection(server: StandIn, clock: Clock) -> Iterator[Connection]:
    with connect(server.base_url) as connection:
        yield connection
