"""The libraries of the extras `research` and `sweep`, imported when they are needed and not before."""

from importlib import import_module
from typing import Any

from puna.errors import ConfigError

__all__ = ["library"]


def library(name: str, extra: str = "research") -> Any:
    """The module of that name, which comes with an extra.

    Raises:
        ConfigError: E660, it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name.partition('.')[0]} is not installed.",
            why=str(error),
            state="Nothing was downloaded, read or run.",
            remedy=f"pip install 'puna[{extra}]'",
            code="E660",
        ) from error
