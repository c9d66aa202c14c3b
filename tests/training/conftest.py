"""What tests of training share."""

from collections.abc import Iterator

import pytest

from fer_core import models
from tests.training.small_architecture import register_small


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """The architecture ``small`` is known."""
    register_small()
    yield
    models._REGISTRY.pop("small")
