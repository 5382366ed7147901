"""What all tests share."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# No deadline: a busy machine is no fault of the code under test.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests at the FHIR server first: they are the longest piece of work for one worker."""
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)  # pytest alone runs them one after the other
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files are given out in the order in which they were collected."""
    from tests.scheduling import FilesAndServer

    config.option.loadscopereorder = False
    return FilesAndServer(config, log)


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    """How much the library logs is what it was: a command with --quiet silences no later test."""
    logger = logging.getLogger("imnm_fhir")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent
