"""Refusals in words."""

import pytest

from puna.core.risk import Breach
from puna.engine.refused import worded


@pytest.mark.parametrize(
    ("seen", "limit", "told"),
    [
        ("25501.1520", "14971.908", "too much: 25,501.15 against 14,971.91"),
        ("4", "3", "too much: 4 against 3"),
        ("0.00001234", "0.00001", "too much: 0.00001234 against 0.00001"),
        ("100000", "50000.00", "too much: 100,000.00 against 50,000.00"),
        ("12.5%", "10%", "too much: 12.5% against 10%"),
        ("halted", "active", "too much"),
        ("", "", "too much"),
    ],
)
def test_numbers_are_written_as_people_write_them(seen: str, limit: str, told: str) -> None:
    """To the cent, small ones as they are; words are not set against each other."""
    assert worded(Breach("R1", "cap", "too much", seen, limit)) == told
