"""What all tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: a busy machine is no fault of the code under test.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent
