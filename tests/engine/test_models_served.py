"""From research to the engine: the model of the examples gives live what it gave in research, for the same bars."""

import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from puna.alpaca import mapping
from puna.core.types import Bar
from puna.engine.models import LiveSignals, Manifest, SavedModel, feature_table, load, signals
from puna.exchange.prices.stocks import ReplayMarket

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    """An example as a module."""
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SavedModel]:
    """What examples/model_training.py saves."""
    folder = tmp_path_factory.mktemp("models") / "minutes"
    model: SavedModel = example("model_training").main(folder)
    return folder, model


def recording(folder: Path) -> Any:
    """The strategy of examples/model_strategy.py, with every signal written down."""
    base: Any = example("model_strategy").ModelStrategy

    class Recording(base):  # type: ignore[misc]  # the example is loaded from a file
        name = "model"

        def __init__(self) -> None:
            self.folder = str(folder)
            self.told: dict[tuple[str, int], float] = {}
            self.at = 0

        def on_bar(self, bar: Bar) -> None:
            self.at = bar.ts_event
            super().on_bar(bar)

        def act(self, symbol: str, signal: float) -> None:
            self.told[symbol, self.at] = signal
            super().act(symbol, signal)

    return Recording()


def researched(lab: Any, model: SavedModel, symbol: str) -> Mapping[tuple[str, int], float]:
    """The model's signals on the session before and the day, from the market's own bars, in one table."""
    config = example("model_training").EXCHANGE
    market = ReplayMarket(first=config.day, symbols=config.symbols, seed=config.seed)
    bars = [mapping.bar_of(symbol, body, 0) for body in market.bars(symbol, "1Min", 0, None, lab.CLOSE + lab.MINUTE)]
    day = [bar for bar in bars if bar.ts_event >= lab.OPEN]
    known = [*[bar for bar in bars if bar.ts_event < lab.OPEN][-390:], *day]
    told = signals(model, feature_table(known, model.schema))[-len(day) :]
    return {(symbol, bar.ts_event): each for bar, each in zip(day, told.tolist(), strict=True)}


async def test_signals_live_are_those_of_research_bit_for_bit(lab: Any, trained: tuple[Path, SavedModel]) -> None:
    """A whole day of both symbols through exchange, stream, engine and strategy: 780 signals, equal in every bit.

    The strategy trades by them, names the model in its orders, and its books agree with the exchange's.
    """
    folder, model = trained
    strategy = recording(folder)
    market = lab.exchange(seed=7)
    record = await market.trader(strategy).run()
    expected = {**researched(lab, load(folder), "AAPL"), **researched(lab, load(folder), "MSFT")}
    assert len(strategy.told) == 780
    assert strategy.told == expected
    assert len(set(expected.values())) > 700
    assert record.fills
    assert all(f"of model {model.id[:12]}" in row.because for row in record.orders)
    assert record.books is not None
    assert record.books.equal


def test_the_example_saves_where_its_data_came_from(lab: Any, trained: tuple[Path, SavedModel]) -> None:
    """Its manifest names bars before the day alone, the proof, and the source; another seed would hash otherwise."""
    manifest: Manifest = trained[1].manifest
    assert manifest.trained.last < lab.OPEN
    assert manifest.trained.first < manifest.trained.last - 4 * 86_400_000_000_000
    assert manifest.trained.source == "embedded exchange, seed 7, split-adjusted"
    assert manifest.trained.symbols == ("AAPL", "MSFT")
    assert manifest.proof is not None
    assert manifest.proof.deviation <= 1e-6


async def test_a_model_that_breaks_its_word_stops_its_strategy(lab: Any, trained: tuple[Path, SavedModel]) -> None:
    """An answer beyond 1 live: no order comes of it, the strategy is stopped and its failure written down."""
    folder, model = trained

    class Shouts:
        schema = model.schema

        def predict(self, features: Any) -> Any:
            return features[..., 0]  # an RSI, from 0 to 100

    strategy = recording(folder)
    begin: Callable[[], None] = strategy.on_start

    def on_start() -> None:
        begin()
        strategy.live = LiveSignals(Shouts(), timeframe="1Min", computer=strategy.live.features)

    strategy.on_start = on_start
    record = await lab.exchange(seed=7).trader(strategy, minutes=5).run()
    assert not record.orders
    assert record.cash == Decimal(100_000)
    assert any(note.code == "E910" and "BadSignalError" in note.text for note in record.notes)


async def test_a_model_that_is_not_whole_trades_nothing(lab: Any, tmp_path: Path) -> None:
    """A folder without a model: the strategy is stopped at its start, nothing is sent."""
    record = await lab.exchange(seed=7).trader(recording(tmp_path), minutes=3).run()
    assert not record.orders
    assert any("there is no manifest.json" in note.text for note in record.notes)


def test_the_training_example_does_not_look_ahead(lab: Any, trained: tuple[Path, SavedModel]) -> None:
    """Its rows are the computer's, warm and finite; the check that it runs has something to check."""
    module = example("model_training")
    bars = [bar for bar in module.history(module.EXCHANGE, days=4) if bar.symbol == "AAPL"]
    assert max(bar.ts_event for bar in bars) < lab.OPEN
    table = feature_table(bars, module.SCHEMA)
    assert np.isfinite(table[30:]).all()
    assert module.look_ahead(lambda known: feature_table(known, module.SCHEMA), bars, module.SCHEMA.names) == []
