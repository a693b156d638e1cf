"""The models of a configuration, ready to speak, and what they say as signals."""

import hashlib
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from puna.bus.messages import Signal
from puna.config import Config, ModelSection
from puna.core.types import Bar
from puna.engine.models import LiveSignals, load
from puna.engine.timeframe import Aggregate, minutes
from puna.errors import ConfigError, PunaError

__all__ = ["Speaker", "speakers"]

Direction = Literal["long", "short", "neutral"]

NANOS = 1_000_000_000


class Speaker:
    """One model of the configuration at work.

    Args:
        section: its table.
        live: it.
        lifetime: market seconds after which nobody acts on a signal.
    """

    def __init__(self, section: ModelSection, live: LiveSignals, lifetime: float) -> None:
        self.name = section.name
        self.symbols = section.symbols
        self.signals = 0
        self._live = live
        self._lifetime = round(lifetime * NANOS)
        self._aggregates = (
            {}
            if section.timeframe == "1Min"
            else {each: Aggregate(minutes(section.timeframe)) for each in section.symbols}
        )
        self._last: dict[str, int] = {}

    def hear(self, minute: Bar, now: int) -> Signal | None:
        """The signal after this minute; None when its bar is not complete, it is known already, or not warm."""
        if minute.symbol not in self.symbols or minute.ts_event <= self._last.get(minute.symbol, -1):
            return None
        self._last[minute.symbol] = minute.ts_event
        value: float | None = None
        for bar in self._complete(minute):
            value = self._live.update(bar)
        return None if value is None else self._said(minute, value, now)

    def warm_up(self, minutes_before: list[Bar]) -> None:
        """Takes bars that nobody acts on."""
        for minute in minutes_before:
            if minute.ts_event > self._last.get(minute.symbol, -1):
                self._last[minute.symbol] = minute.ts_event
                self._live.warm_up(self._complete(minute))

    def _complete(self, minute: Bar) -> list[Bar]:
        aggregate = self._aggregates.get(minute.symbol)
        return [minute] if aggregate is None else aggregate.take(minute)

    def _said(self, minute: Bar, value: float, now: int) -> Signal:
        self.signals += 1
        direction: Direction = "long" if value > 0 else "short" if value < 0 else "neutral"
        names = self._live.model.schema.names
        features = dict(zip(names, self._live.vector(minute.symbol), strict=True))
        return Signal(
            minute.symbol,
            direction,
            min(1.0, abs(value)),
            now,
            self.name,
            features,
            {"model": self._live.name},
            minute.ts_init + self._lifetime,
        )


def speakers(config: Config) -> list[Speaker]:
    """Every [[model]] of the configuration.

    Raises:
        ConfigError: one cannot be found or served.
    """
    return [_speaker(config, section) for section in config.model]


def _speaker(config: Config, section: ModelSection) -> Speaker:
    if (section.folder is None) == (section.use is None):
        raise _unusable(section, "it needs either `folder` or `use`")
    try:
        model: Any = load(config.beside(section.folder)) if section.folder else _class(config, section)()
        live = LiveSignals(model, timeframe=section.timeframe)
    except ConfigError:
        raise
    except PunaError as error:
        raise _unusable(section, f"{error.what} {error.why}".strip()) from error
    return Speaker(section, live, config.services.signal_seconds)


def _class(config: Config, section: ModelSection) -> Any:
    place, _, name = (section.use or "").partition(":")
    try:
        module = _from_file(config.beside(place)) if place.endswith(".py") else import_module(place)
        return getattr(module, name)
    except Exception as error:
        raise _unusable(section, f"{section.use}: {type(error).__name__}: {error}") from error


def _from_file(path: Path) -> ModuleType:
    name = f"puna_model_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _unusable(section: ModelSection, why: str) -> ConfigError:
    return ConfigError(
        f"The model {section.name} cannot be served.",
        why=why,
        state="Nothing was started.",
        remedy="See docs/models.md and docs/services.md.",
    )
