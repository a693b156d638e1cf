"""Portfolio figures: the day's profit knows deposits from gains; closings read every row of the broker's answer."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from puna.alpaca.http import Alpaca, AsyncAlpaca, Endpoints
from puna.alpaca.portfolio import cancel_all, close_all, portfolio_of
from puna.alpaca.quotes import LatestQuote, get_quotes
from puna.alpaca.request import Composite, Request, Steps
from puna.alpaca.trading import get_account, get_asset
from puna.errors import DataError, NotFoundError, PunaError
from puna.wire.activities import Activity
from puna.wire.codec import parse_time
from puna.wire.trading import Account, Position

D = Decimal
NOW = parse_time("2026-03-10T15:00:00Z")  # a Tuesday


def account(equity: str, last: str, **more: Any) -> Account:
    """An account that has been there for a while."""
    fields = {"created_at": parse_time("2025-01-02T15:00:00Z"), **more}
    return Account(id="1", status="ACTIVE", equity=D(equity), last_equity=D(last), cash=D(10), **fields)


def flow(kind: str, amount: str, date: str, **more: Any) -> Activity:
    return Activity(id="x", activity_type=kind, net_amount=D(amount), date=date, **more)


def test_a_deposit_is_no_profit_and_a_withdrawal_no_loss() -> None:
    """The day's profit is what equity gained beyond the money that was moved."""
    flows = [flow("CSD", "5000", "2026-03-10"), flow("CSW", "-1000", "2026-03-10"), flow("CSD", "700", "2026-03-09")]
    found = portfolio_of(account("104100", "100000"), [], flows, now=NOW)
    assert (found.moved, found.day_pl) == (D(4000), D(100))
    assert found.day_pl_pct == D(100) / D(104000)


def test_canceled_flows_and_dividends_are_not_money_moved() -> None:
    """A dividend is a gain; a deposit that was taken back never was."""
    flows = [flow("DIV", "50", "2026-03-10"), flow("CSD", "500", "2026-03-10", status="canceled")]
    found = portfolio_of(account("100050", "100000"), [], flows, now=NOW)
    assert (found.moved, found.day_pl) == (D(0), D(50))


def test_the_broker_s_own_day_of_the_balance_counts() -> None:
    """With balance_asof, flows after that day count, not after the last trading day."""
    flows = [flow("CSD", "500", "2026-03-09")]
    found = portfolio_of(account("100500", "100000", balance_asof="2026-03-06"), [], flows, now=NOW)
    assert found.day_pl == D(0)


def test_an_account_of_today_began_with_its_deposit() -> None:
    """Its `last_equity` is of no close, and may be nought or the deposit itself."""
    flows = [flow("JNLC", "100000", "2026-03-10")]
    for last in ("0", "100000"):
        young = account("100010", last, created_at=parse_time("2026-03-10T14:00:00Z"))
        assert portfolio_of(young, [], flows, now=NOW).day_pl == D(10)


def test_open_profit_is_of_what_is_held() -> None:
    """Over long and short positions, in percent of what they cost."""
    held = [
        Position(asset_id="1", symbol="A", qty=D(1), avg_entry_price=D(100), cost_basis=D(100), unrealized_pl=D(10)),
        Position(asset_id="2", symbol="B", qty=D(-1), avg_entry_price=D(300), cost_basis=D(-300), unrealized_pl=D(-30)),
    ]
    found = portfolio_of(account("1", "1"), held, now=NOW)
    assert (found.open_pl, found.open_pl_pct) == (D(-20), D(-20) / D(400))
    assert portfolio_of(account("1", "1"), [], now=NOW).open_pl_pct is None


def answer(body: object, status: int = 200) -> Any:
    """An answer in JSON."""

    async def respond(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")

    return respond


async def test_closing_everything_reads_each_row(broker: Any, credentials: Any) -> None:
    """An order, or the refusal with its reason; 207 as a whole is no success."""
    rows = [
        {"symbol": "AAPL", "status": 200, "body": {"id": "1", "status": "accepted", "symbol": "AAPL"}},
        {"symbol": "IBM", "status": 403, "body": {"code": 40310000, "message": "insufficient qty available for order"}},
    ]
    broker.answers = [answer(rows, 207), answer([{"id": "7", "status": 500, "body": {"message": "no"}}], 207)]
    async with AsyncAlpaca(credentials, broker.endpoints) as alpaca:
        first, second = await alpaca(close_all())
        [cancelled] = await alpaca(cancel_all())
    assert first.order is not None
    assert first.error is None
    assert second.order is None
    assert isinstance(second.error, PunaError)
    assert cancelled.error is not None
    assert broker.calls == ["DELETE /v2/positions?cancel_orders=true", "DELETE /v2/orders"]


async def test_a_composite_call_hears_of_errors(broker: Any, credentials: Any) -> None:
    """An error is thrown into the steps, which may take it for an answer; one that is not taken comes out."""

    def steps() -> Steps[str]:
        try:
            yield get_asset("NONE")
        except NotFoundError:
            found: Account = yield get_account()
            return found.id
        return "?"

    def careless() -> Steps[str]:
        yield get_asset("NONE")
        return "?"

    missing = answer({"code": 40410000, "message": "asset not found"}, 404)
    broker.answers = [missing, answer({"id": "7", "status": "ACTIVE"}), missing]
    async with AsyncAlpaca(credentials, broker.endpoints) as alpaca:
        assert await alpaca(Composite(steps)) == "7"
        with pytest.raises(NotFoundError):
            await alpaca(Composite(careless))


def test_the_sync_client_answers_composites(credentials: Any) -> None:
    """The same values, without async; one without any call needs no broker."""

    def steps() -> Steps[int]:
        yield from ()
        return 7

    with Alpaca(credentials, Endpoints.at("http://127.0.0.1:9")) as alpaca:
        assert alpaca(Composite(steps)) == 7


def test_quotes_go_out_in_few_calls() -> None:
    """One for stocks, one for each hundred options, one for coins; twice the same symbol is asked once."""
    options = [f"AAPL260320C{n:05d}000" for n in range(100, 250)]
    steps = get_quotes(["AAPL", "BTCUSD", "AAPL", *options, "BTC/USD"]).steps()
    asked: list[Request[Any]] = []
    ask = next(steps)
    for _ in range(3):
        assert isinstance(ask, Request)
        asked.append(ask)
        ask = steps.send({})
    assert isinstance(ask, Request)
    asked.append(ask)
    with pytest.raises(StopIteration) as ended:
        steps.send({})
    assert ended.value.value == {}
    assert [each.target.partition("?")[0] for each in asked] == [
        "/v2/stocks/quotes/latest",
        "/v1beta1/options/quotes/latest",
        "/v1beta1/options/quotes/latest",
        "/v1beta3/crypto/us/latest/quotes",
    ]
    assert asked[-1].target.endswith("symbols=BTC%2FUSD")


def test_no_symbol_no_call() -> None:
    """What is no symbol is refused before anything is sent."""
    with pytest.raises(DataError):
        get_quotes(["not a symbol"])


def test_mid_and_spread_need_both_sides() -> None:
    """An empty side is None, not nought."""
    whole = LatestQuote("A", D("10.00"), D("10.02"), D(1), D(1), 1)
    assert (whole.mid, whole.spread) == (D("10.01"), D("0.02"))
    assert whole.spread_bps == D("0.02") / D("10.01") * 10_000
    one_sided = LatestQuote("A", None, D("10.02"), D(0), D(1), 1)
    assert (one_sided.mid, one_sided.spread, one_sided.spread_bps) == (None, None, None)
