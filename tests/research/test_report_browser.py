"""The report in a real browser: light and dark, phone and desktop, nothing fetched, nothing complained about."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, browser
from msgspec.structs import replace

from puna.core import sessions
from puna.engine.record import EquityPoint, FillRow, OrderRow, PricePoint, RunRecord
from puna.research.report.run_report import html, report

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (CHROMIUM names one)"),
    pytest.mark.timeout(180),
]
DAYS = sessions.trading_days(date(2010, 1, 4), date(2011, 12, 30))
SCREENS = [(1280, 900), (390, 844)]


def busy() -> RunRecord:
    """Two years of days in two symbols, with some orders, a refusal and long words."""
    chance = np.random.default_rng(3)
    worth = (100_000 * np.cumprod(1 + chance.normal(0.001, 0.01, len(DAYS)))).tolist()
    equity = [EquityPoint(day.close, Decimal(f"{each:.2f}")) for day, each in zip(DAYS, worth, strict=True)]
    orders, fills = [], []
    for at, side in ((3, "buy"), (40, "sell"), (90, "buy"), (140, "sell")):
        cid, ts = f"puna-1-a-strategy-with-a-long-name-{at}", DAYS[at].close
        why = (
            f"the price of {at}.00 crossed the moving average of twenty days, and volume was three times the usual one"
        )
        orders.append(
            OrderRow(
                client_order_id=cid, strategy="a-strategy-with-a-long-name", symbol="AAPL", side=side, qty=Decimal(120),
                type="limit", limit=Decimal("102.25"), tif="day", status="filled", ts_decision=ts - 10**9, ts_final=ts,
                filled_qty=Decimal(120), avg_price=Decimal("102.20"), arrival_mid=102.0, because=why,
            )
        )  # fmt: skip
        fills.append(
            FillRow(
                ts=ts, symbol="AAPL", side=side, qty=Decimal(120), price=Decimal("102.20"), cid=cid, mid=102.1,
                strategy="a-strategy-with-a-long-name",
            )
        )  # fmt: skip
    refused = replace(
        orders[0], client_order_id="r", status="refused", filled_qty=Decimal(0), avg_price=None, refusal_code="R104",
        refusal_text="position cap: 12000.00 > 10000.00 USD in AAPL",
    )  # fmt: skip
    return RunRecord(
        mode="backtest",
        run_id="a-run-with-quite-a-long-name-1",
        symbols=["AAPL", "IBM"],
        strategies=["a-strategy-with-a-long-name"],
        started_ts=DAYS[0].open,
        ended_ts=DAYS[-1].close,
        start_equity=Decimal(100_000),
        equity=equity,
        equity_end=equity[-1].equity,
        prices={
            name: [PricePoint(day.close, 100 + at / 10) for at, day in enumerate(DAYS)] for name in ("AAPL", "IBM")
        },
        orders=[*orders, refused],
        fills=fills,
        config="[account]\nmode = 'sim'\n# " + "a long line " * 30 + "\n",
        code_hash="c0de" * 16,
        fill_model="realistic",
    )


async def test_it_fits_every_screen_and_fetches_nothing(tmp_path: Path) -> None:
    """No sideways scrolling of the page, the charts for that width and no others, colours of the scheme, no complaint.

    Wide tables scroll in their own box. The policy lets no script of the page run.
    """
    record = busy()
    page = tmp_path / "report.html"
    page.write_bytes(html(report(record, [replace(record, fill_model="pessimistic")])))
    async with browser() as tab:
        for width, height in SCREENS:
            colours = set()
            for scheme in ("light", "dark"):
                await tab.show(page, width=width, height=height, scheme=scheme)
                assert await tab.ask("document.documentElement.scrollWidth") <= width
                seen = await tab.ask(
                    "['wide','narrow'].map(kind => [...document.querySelectorAll('.chart > .' + kind)]"
                    ".filter(each => each.getBoundingClientRect().width > 0).length)"
                )
                assert (seen[0] > 5, seen[1] > 5) == (width > 720, width <= 720)
                colours.add(await tab.ask("getComputedStyle(document.body).backgroundColor"))
                assert await tab.ask("document.querySelector('h1').getBoundingClientRect().top") < height / 4
            assert len(colours) == 2
        assert tab.complaints == []
        assert set(tab.asked) == {page.as_uri()}


async def test_every_text_can_be_read(tmp_path: Path) -> None:
    """Words stand out from their ground by 4.5 to 1 (WCAG AA), in light and in dark, the shaded months included."""
    page = tmp_path / "report.html"
    page.write_bytes(html(report(busy())))
    async with browser() as tab:
        for scheme in ("light", "dark"):
            await tab.show(page, width=1280, height=900, scheme=scheme)
            assert await tab.ask(_FAINT) == []


_FAINT = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, ground) => { const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => top[i] * a + ground[i] * (1 - a)); };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const ground = each => { const chain = []; for (let at = each; at; at = at.parentElement) chain.unshift(at);
    return chain.reduce((below, at) => over(parse(getComputedStyle(at).backgroundColor), below), [255, 255, 255]); };
  const faint = [];
  for (const each of document.querySelectorAll('h1,h2,h3,p,li,dt,dd,td,th,summary,pre,small,.sub,nav a,.mode b')) {
    if (!each.textContent.trim() || !each.getClientRects().length) continue;
    const below = ground(each), above = over(parse(getComputedStyle(each).color), below);
    const [a, b] = [light(below), light(above)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(each.tagName + '.' + each.className + ' ' + ratio.toFixed(2));
  }
  return [...new Set(faint)];
})()"""
