"""Puna: algorithmic trading on Alpaca, offline first. Unofficial, not affiliated with Alpaca.

Public names load on first use, so that `import puna` and `puna --help` stay fast; `__init__.pyi` tells their types.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "Strategy": "puna.engine.strategy",
}

__all__ = ["Strategy", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'puna' has no attribute {name!r}")
