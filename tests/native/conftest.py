"""The native tests compare the package with the reference; without the package there is nothing to compare."""

import pytest

from puna import native


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One clear reason for all of them."""
    if native.FeatureKernel is None:
        absent = pytest.mark.skip(reason="the native package is not installed: tools/build-native .venv")
        for item in items:
            if "/tests/native/" in item.path.as_posix():
                item.add_marker(absent)
