"""Tests of the NautilusTrader adapter: they need the extra, which needs Python 3.12."""

from pathlib import Path

import pytest

REASON = "nautilus_trader is not installed: the adapter's tests need Python 3.12 or later and puna[nautilus]"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """More time than most: a node connects, reconciles and stops in each of the tests that start one."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(120))
            # The framework asks pandas for a day by a name that pandas will drop.
            item.add_marker(pytest.mark.filterwarnings("ignore:.d. is deprecated"))
