"""ID by ID of the fault catalogue: an engine trades through it, and then both sides say the same."""

from itertools import combinations
from pathlib import Path

import pytest
from pageant import play
from scenes import SCENES

from puna.seams import seeded_rng

SCRIPTS = [pytest.param(n, marks=pytest.mark.campaign if n >= 8 else ()) for n in range(200)]


@pytest.mark.parametrize("name", SCENES)
async def test_both_sides_agree_after(tmp_path: Path, name: str) -> None:
    """Orders, fills, positions and cash of the journal are those of the exchange, whatever went wrong."""
    scene = SCENES[name]
    played = await play(tmp_path, name)
    assert played.wrong == []
    assert played.struck or not scene.faults
    assert played.outcome == ("halted" if scene.halted else "completed")
    assert played.fills > (0 if scene.halted else 5)


@pytest.mark.parametrize("number", SCRIPTS)
async def test_both_sides_agree_after_any_script(tmp_path: Path, number: int) -> None:
    """Two or three of them at once, drawn by chance, over a day of chance."""
    rng = seeded_rng(f"scenes {number}")
    drawn = list(combinations(SCENES, 2 + rng.randrange(0, 2)))
    names = drawn[rng.randrange(0, len(drawn))]
    played = await play(tmp_path, *names, seed=number)
    assert played.wrong == [], names
    assert played.struck or not any(SCENES[name].faults for name in names)
