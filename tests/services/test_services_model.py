"""The complete example: a scikit-learn model, trained on downloaded minutes, speaks as the signals service would."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec
import pytest

from puna.bus.messages import Signal
from puna.config import load
from puna.engine.record import RunRecord
from puna.errors import ConfigError
from puna.services.modelling import speakers

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE = 90.0


def trained(folder: Path) -> Any:
    """The example's training module, after it has saved its model below the folder."""
    spec = spec_from_file_location("model_training_example", EXAMPLES / "model_training.py")
    assert spec is not None
    assert spec.loader is not None
    training = module_from_spec(spec)
    sys.modules[spec.name] = training
    spec.loader.exec_module(training)
    training.main(folder / "models" / "minutes")
    return training


@pytest.mark.timeout(300)
async def test_the_example_trades_through_four_processes(
    system: Callable[..., Any], ports: str, tmp_path: Path
) -> None:
    """Trained on downloaded minutes, served by signals, traded by execution, as `puna up` runs it; books are equal."""
    trained(tmp_path)
    path = tmp_path / "services.toml"
    path.write_text((EXAMPLES / "services.toml").read_text().rstrip() + f"\n{ports}\n")
    fills = 0
    async with system(path) as running:
        async with asyncio.timeout(PATIENCE):
            while fills < 2:
                await asyncio.sleep(0.1)
                _, body = await running.ask("execution", "/health")  # None, when a busy machine makes it late
                fills = body["metrics"]["fills"] if body else 0
    record = msgspec.json.decode((tmp_path / "services" / "record.json").read_bytes(), type=RunRecord)
    assert {fill.strategy for fill in record.fills} == {"minutes"}
    assert record.books is not None
    assert record.books.equal


def test_the_example_trains_and_speaks(tmp_path: Path) -> None:
    """examples/services.toml serves what model_training.py saves: signals in range, with the features seen."""
    training = trained(tmp_path)
    shutil.copy(EXAMPLES / "services.toml", tmp_path)
    (speaker,) = speakers(load(tmp_path / "services.toml", environ={}))
    bars = training.history(training.EXCHANGE, days=2)
    speaker.warm_up(bars[:-20])
    said = [signal for bar in bars[-20:] if (signal := speaker.hear(bar, bar.ts_init)) is not None]
    assert len(said) == 20
    for signal in said:
        assert isinstance(signal, Signal)
        assert signal.model == "minutes"
        assert -1 <= signal.value <= 1
        assert list(signal.features) == list(training.SCHEMA.names)
        assert signal.deadline is not None
    assert speaker.hear(bars[-1], bars[-1].ts_init) is None, "a bar that is known says nothing new"


@pytest.mark.parametrize("line", ['use = "nowhere.py:X"', 'folder = "nothing"', "", 'folder = "a"\nuse = "b:C"'])
def test_a_model_that_cannot_be_served_is_a_clear_error(tmp_path: Path, line: str) -> None:
    """Neither, both, a file or folder that is not there: E007 with the model's name, before anything starts."""
    path = tmp_path / "bot.toml"
    path.write_text(f'[[model]]\nname = "x"\nsymbols = ["AAPL"]\n{line}\n')
    with pytest.raises(ConfigError, match="The model x cannot be served"):
        speakers(load(path, environ={}))
