"""The page of a sweep in a real browser: light and dark, phone and desktop, its maps read, nothing fetched."""

from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, browser
from sweep_trials import outcome

from puna.research.sweep.axes import read_axes, typed
from puna.research.sweep.cells import Failure, Outcome, Row
from puna.research.sweep.forward import Folding
from puna.research.sweep.heat import heats
from puna.research.sweep.judgement import judge
from puna.research.sweep.page import Page, html
from puna.research.sweep.search import Grid
from puna.research.sweep.store import Plan

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (CHROMIUM names one)")
SCREENS = [(1280, 900), (390, 844)]
OTHERS = ("max_drawdown", "trades", "turnover", "fees", "sortino", "calmar", "refused", "holding")


def page() -> bytes:
    """Three axes, one of long names; gains and losses; a failure; more metrics than there is room for."""
    words = read_axes(
        [
            "momentum_of_the_week.lookback=2..20:2",
            "slow=20..200:10",
            "style=patient,a_style_whose_name_is_as_long_as_a_sentence",
        ]
    )
    axes = [typed(words[0], "whole"), typed(words[1], "whole"), typed(words[2], "text")]
    chance = np.random.default_rng(5)
    rows = []
    for cell in Grid(axes).ask([]):
        edge = 0.004 - 0.00005 * int(cell.values["slow"])
        made = outcome(chance.normal(edge, 0.01, 200).tolist())
        metrics = made.metrics | {name: float(chance.normal()) * 1000 for name in OTHERS}
        rows.append(Row(cell, Outcome(metrics, made.ends, made.returns)))
    rows[7] = Row(rows[7].cell, Failure("E683", "ValueError: " + "a_word_without_an_end_" * 8))
    judged = judge(axes, rows, folding=Folding(4, 2, 1))
    standings = judged.standings
    maps = heats(axes, [each.cell for each in standings], [each.score for each in standings], judged.best.cell)
    command = f"puna sweep {'a/long/path/' * 9}bot.toml {' '.join(each.key for each in words)}"
    plan = Plan([each.key for each in words], {"config": "/" + "a/long/path/" * 9}, {"code": "c0de" * 16})
    return html(Page("a-sweep-with-quite-a-long-name-1", plan, judged, rows, maps, command))


async def test_it_fits_every_screen_and_its_maps_can_be_read(tmp_path: Path) -> None:
    """No sideways scrolling, the maps of that width and no others, figures that stand out 4.5 to 1 in each scheme."""
    file = tmp_path / "sweep.html"
    file.write_bytes(page())
    async with browser() as tab:
        for width, height in SCREENS:
            for scheme in ("light", "dark"):
                await tab.show(file, width=width, height=height, scheme=scheme)
                assert await tab.ask("document.documentElement.scrollWidth") <= width
                shown = await tab.ask(
                    "['wide','narrow'].map(kind => [...document.querySelectorAll('.chart > .' + kind)]"
                    ".filter(each => each.getBoundingClientRect().width > 0).length)"
                )
                assert shown == ([4, 0] if width > 720 else [0, 4])  # three maps and walk-forward
                read, faint = await tab.ask(_FIGURES)
                assert read > 40 or width < 720  # a phone has no room for them
                assert faint == []
                assert await tab.ask(_OUTSIDE.replace("WIDTH", str(width))) == []
                assert await tab.ask("document.querySelectorAll('.chart > .wide rect.best').length") == 3
        assert tab.complaints == []
        assert set(tab.asked) == {file.as_uri()}


_OUTSIDE = """[...document.querySelectorAll('.chart svg text')].filter(each => each.getClientRects().length)
  .filter(each => { const { left, right } = each.getBoundingClientRect(); return left < 0 || right > WIDTH; })
  .map(each => each.textContent)"""
_FIGURES = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const page = parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const faint = []; let read = 0;
  for (const text of document.querySelectorAll('svg .figure')) {
    if (!text.getClientRects().length) continue;
    const field = text.parentElement.querySelector('.heat'), fill = parse(getComputedStyle(field).fill);
    const part = Number(getComputedStyle(field).fillOpacity);
    const below = [0, 1, 2].map(i => fill[i] * part + page[i] * (1 - part));
    const [a, b] = [light(below), light(parse(getComputedStyle(text).fill))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    read += 1;
    if (ratio < 4.5) faint.push(text.textContent + ' ' + ratio.toFixed(2));
  }
  return [read, faint];
})()"""
