"""The made-up models of the evaluation tests, for what shows them."""

from tests.evaluation.conftest import made_up, mixed_models, mixed_store  # noqa: F401  # fixtures
