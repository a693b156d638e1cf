"""What every test shares: a Hypothesis profile without wall-clock deadlines, because CI machines are slow at times."""

import pytest
from hypothesis import HealthCheck, settings

from puna.alpaca.drift import DRIFT

settings.register_profile("puna", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("puna")


@pytest.fixture(autouse=True)
def _nothing_new_yet() -> None:
    """What one test's broker sent that is new is nothing that another test's command has to tell."""
    DRIFT.forget()
