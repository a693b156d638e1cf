"""The libraries of the extra `research`, imported when they are needed and not before."""

from importlib import import_module
from typing import Any

from puna.errors import ConfigError

__all__ = ["library"]


def library(name: str) -> Any:
    """The module of that name.

    Raises:
        ConfigError: E660, it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name.partition('.')[0]} is not installed.",
            why=str(error),
            state="Nothing was downloaded or read.",
            remedy="pip install 'puna[research]'",
            code="E660",
        ) from error
