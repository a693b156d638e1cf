"""Structured logs: one JSON object a line on stderr, secrets redacted by their type, every field capped and escaped."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from puna.bus.sockets import Curve
from puna.config import Keys, Secret

__all__ = ["capped", "configure", "redacted"]

LONGEST = 2000
SECRETS = (Secret, Keys, Curve)
HIDDEN = "***"


def configure(component: str, *, level: str = "INFO") -> None:
    """Makes structlog and the standard logging write JSON lines with the component in each; libraries from WARNING."""
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redacted,
        capped,
    ]
    structlog.configure(
        processors=[*chain, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    sink = logging.StreamHandler(sys.stderr)
    sink.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(component=component)


def redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Whatever is a secret by its type, at any depth, becomes ***."""
    return {name: _hidden(value) for name, value in event.items()}


def capped(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """No text of a field is longer than 2,000 characters."""
    return {name: _short(value) for name, value in event.items()}


def _hidden(value: Any) -> Any:
    if isinstance(value, SECRETS):
        return HIDDEN
    if isinstance(value, dict):
        return {name: _hidden(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(each) for each in value]
    return value


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else None
    return f"{text[:LONGEST]}... ({len(text)} characters)" if text is not None and len(text) > LONGEST else value
