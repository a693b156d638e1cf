"""A venue on a market of written-down steps: real in every part, small enough to say each price in the test."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from puna.core import sessions
from puna.core.symbols import Option, parse
from puna.exchange.data import Split
from puna.exchange.log import EventLog
from puna.exchange.prices.market import MarketStep, Session
from puna.exchange.venue import (
    Cancel,
    CancelAll,
    CloseAllPositions,
    ClosePosition,
    Command,
    DataFrame,
    Refusal,
    Replace,
    Submit,
    Venue,
    VenueOptions,
)
from puna.seams import SeededIds, seeded_rng
from puna.wire.codec import Amount, Nanos, encode
from puna.wire.contracts import OptionContract
from puna.wire.market import Bar, DailyAuctions
from puna.wire.stream import LuldMessage, QuoteMessage, StatusMessage, TradeMessage
from puna.wire.trading import (
    Asset,
    LegRequest,
    Order,
    OrderRequest,
    ReplaceRequest,
    StopLossRequest,
    TakeProfitRequest,
    TradeUpdate,
)

SECOND = 1_000_000_000
MONDAY = date(2012, 9, 17)
AMOUNTS = {"qty", "notional", "limit_price", "stop_price", "trail", "trail_price", "trail_percent", "percentage"}


def asset(symbol: str, **fields: Any) -> Asset:
    usual: dict[str, Any] = {
        "id": f"id-of-{symbol}",
        "symbol": symbol,
        "asset_class": "us_equity",
        "exchange": "NASDAQ",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": True,
    }
    return Asset(**{**usual, **fields})


class ScriptedMarket:
    """Steps as they are written: (ns, message, ...), in order."""

    def __init__(
        self,
        *,
        days: Sequence[date],
        assets: Sequence[Asset],
        steps: Sequence[MarketStep],
        closes: dict[str, float],
        splits: Sequence[Split] = (),
        contracts: Mapping[str, bool] | None = None,
    ) -> None:
        found = [day for each in days if (day := sessions.day(each))]
        self.sessions = tuple(Session(day.open, day.close, day.date) for day in found)
        self.symbols = tuple(sorted(each.symbol for each in assets))
        self._assets = list(assets)
        self._steps = sorted(steps, key=lambda step: step.ts)
        self._closes = closes
        self._splits = splits
        self._contracts = contracts or {}
        self._told: dict[tuple[str, type], Any] = {}

    def next_due(self) -> int | None:
        return self._steps[0].ts if self._steps else None

    def step(self, now: int) -> MarketStep | None:
        if not self._steps or self._steps[0].ts > now:
            return None
        step = self._steps.pop(0)
        self._told |= {(each.S, type(each)): each for each in step.messages}
        return MarketStep(step.ts, tuple(each for each in step.messages if each.S not in self._contracts))

    def quote(self, symbol: str) -> QuoteMessage | None:
        """Of an option: as it was written down last; its row must come before its underlying's."""
        return self._told.get((symbol, QuoteMessage))

    def trade(self, symbol: str) -> TradeMessage | None:
        return self._told.get((symbol, TradeMessage))

    def bars(
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        close = self._closes.get(symbol)
        return [] if close is None else [Bar(t=Nanos(now), o=close, h=close, l=close, c=close, v=1)]

    def assets(self) -> list[Asset]:
        return self._assets

    def splits(self, symbol: str) -> Sequence[Split]:
        return [each for each in self._splits if each.symbol == symbol]

    def quotes(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[QuoteMessage]:
        return iter(())

    def trades(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[TradeMessage]:
        return iter(())

    def auctions(self, symbol: str, start: int, end: int | None, now: int) -> list[DailyAuctions]:
        return []

    def orderbook(self, symbol: str) -> None:
        return None

    def contracts(self, underlying: str, now: int) -> list[OptionContract]:
        return []

    def listed(self, underlying: str, now: int) -> tuple[str, ...]:
        return ()

    def contract(self, name: str, now: int) -> OptionContract | None:
        option = parse(name) if name in self._contracts else None
        if not isinstance(option, Option) or sessions.date_of(now) > option.expiration:
            return None
        return OptionContract(
            id=f"id-of-{name}",
            symbol=name,
            name=name,
            status="active",
            tradable=True,
            expiration_date=option.expiration.isoformat(),
            strike_price=Amount(option.strike),
            type="call" if option.right == "C" else "put",
            underlying_symbol=option.root,
            underlying_asset_id=f"id-of-{option.root}",
            ppind=self._contracts[name],
        )

    def prints_at(self, underlying: str, ts: int) -> list[TradeMessage]:
        return []

    def greeks(self, symbol: str) -> None:
        return None


class World:
    """A venue, its time, and everything it has said. Times are seconds after the first open."""

    def __init__(self, market: ScriptedMarket, options: VenueOptions, seed: int = 1) -> None:
        self.lines: list[str] = []
        self.log = EventLog(self.lines.append)
        self.venue = Venue(market, ids=SeededIds(seeded_rng(seed)), options=options, log=self.log)
        self.open = market.sessions[0].open_ns
        self.now = self.open - 6 * 3600 * SECOND
        self.updates: list[TradeUpdate] = []
        self.frames: list[DataFrame] = []

    def to(self, seconds: float) -> None:
        """Moves time on."""
        self.now = max(self.now, self.open + round(seconds * SECOND))
        self._keep(self.venue.advance(self.now))

    def do(self, command: Command) -> Any:
        reply, events = self.venue.handle(command, self.now)
        self._keep(events)
        return reply

    def submit(self, **fields: Any) -> Any:
        """A market order for one share of AAPL, day, unless said otherwise; None leaves a field out.

        `take_profit=110` and `stop_loss=90` or `stop_loss=(90, 89)` name the exits of a group.
        """
        usual = {"symbol": "AAPL", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
        return self.do(Submit(OrderRequest(**_amounts({**usual, **_exits(fields)}))))

    def order(self, **fields: Any) -> Order:
        """The same, accepted."""
        reply = self.submit(**fields)
        assert isinstance(reply, Order), reply
        return reply

    def group(self, order_class: str, **fields: Any) -> tuple[Order, ...]:
        """A bracket, OCO or OTO, accepted: the order and its legs."""
        order = self.order(order_class=order_class, **fields)
        return order, *(order.legs or ())

    def statuses(self, *orders: Order) -> list[str]:
        return [self.shown(each).status for each in orders]

    def limit(self, price: object, **fields: Any) -> Order:
        return self.order(type="limit", limit_price=price, **fields)

    def refused(self, **fields: Any) -> Refusal:
        """The same, refused."""
        reply = self.submit(**fields)
        assert isinstance(reply, Refusal), reply
        return reply

    def replace(self, order_id: str, **fields: Any) -> Any:
        return self.do(Replace(order_id, ReplaceRequest(**_amounts(fields))))

    def multileg(self, *legs: str, **fields: Any) -> Any:
        """A multi-leg limit order for one unit; legs as "buy SYMBOL", "sell 2 SYMBOL" or "buy_to_open SYMBOL"."""
        asked = [_leg(each) for each in legs]
        usual = {"qty": 1, "type": "limit", "time_in_force": "day", "order_class": "mleg", "legs": asked}
        return self.do(Submit(OrderRequest(**_amounts({**usual, **fields}))))

    def cancel(self, order_id: str) -> Any:
        return self.do(Cancel(order_id))

    def cancel_all(self) -> Any:
        return self.do(CancelAll())

    def close(self, symbol: str, qty: object = None, percentage: object = None) -> Any:
        given = _amounts({"qty": qty, "percentage": percentage})
        return self.do(ClosePosition(symbol, given.get("qty"), given.get("percentage")))

    def close_all(self, *, cancel_orders: bool) -> Any:
        return self.do(CloseAllPositions(cancel_orders))

    def shown(self, order: Order) -> Order:
        """The order as it is now."""
        found = self.venue.order(order.id)
        assert found is not None
        return found

    def events(self, order: Order | None = None) -> list[str]:
        return [each.event for each in self.updates if order is None or each.order.id == order.id]

    def fills(self, order: Order | None = None) -> list[tuple[Decimal, Decimal]]:
        """(quantity, price) of each execution."""
        return [
            (each.qty, each.price)
            for each in self.updates
            if each.qty is not None and each.price is not None and (order is None or each.order.id == order.id)
        ]

    def _keep(self, events: Sequence[TradeUpdate | DataFrame]) -> None:
        self.updates += [each for each in events if isinstance(each, TradeUpdate)]
        self.frames += [each for each in events if isinstance(each, DataFrame)]


def _leg(text: str) -> LegRequest:
    what, *ratio, symbol = text.split()
    named = {"position_intent": what} if "_" in what else {"side": what}
    return LegRequest(symbol=symbol, ratio_qty=Amount(ratio[0] if ratio else 1), **named)


def _exits(fields: dict[str, Any]) -> dict[str, Any]:
    profit, stop = fields.get("take_profit"), fields.get("stop_loss")
    if isinstance(profit, int | str):
        profit = TakeProfitRequest(limit_price=Amount(str(profit)))
    if isinstance(stop, int | str | tuple):
        first, *rest = stop if isinstance(stop, tuple) else (stop,)
        stop = StopLossRequest(stop_price=Amount(str(first)), limit_price=Amount(str(rest[0])) if rest else None)
    return {**fields, "take_profit": profit, "stop_loss": stop}


def _amounts(fields: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: Amount(str(value)) if name in AMOUNTS else value for name, value in given.items()}


def quote(symbol: str, ts: int, bid: float, ask: float, size: float, bid_size: float | None = None) -> QuoteMessage:
    return QuoteMessage(S=symbol, t=Nanos(ts), bp=bid, bs=size if bid_size is None else bid_size, ap=ask, as_=size)


def _message(ts: int, symbol: str, given: Sequence[Any]) -> QuoteMessage | TradeMessage | StatusMessage | LuldMessage:
    if isinstance(given[0], str):
        code, *band = given
        luld = LuldMessage(S=symbol, t=Nanos(ts), d=band[0], u=band[1]) if band else None
        return luld or StatusMessage(S=symbol, t=Nanos(ts), sc=code)
    if len(given) == 1:
        return TradeMessage(S=symbol, t=Nanos(ts), p=given[0], s=100)
    return quote(symbol, ts, given[0], given[1], *(given[2:] or (1000,)))


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """Makes a world from rows (seconds, symbol, bid, ask[, size]) for quotes and (seconds, symbol, price) for prints.

    A row (seconds, symbol, "H") is a status, (seconds, symbol, "band", down, up) a limit-up limit-down band.
    `contracts` are options, and whether they are in the penny programme; their rows come before those of their
    underlying.

    Without rows AAPL is quoted 99.98 / 100.00, a thousand shares each, once a second for a minute.
    """

    def make(
        *rows: tuple[Any, ...],
        days: Sequence[date] = (MONDAY,),
        assets: Sequence[Asset] | None = None,
        closes: dict[str, float] | None = None,
        splits: Sequence[Split] = (),
        contracts: Mapping[str, bool] | None = None,
        seed: int = 1,
        **options: Any,
    ) -> World:
        opening = sessions.day(days[0])
        assert opening is not None
        rows = rows or tuple((second, "AAPL", 99.98, 100.0) for second in range(60))
        steps = [
            MarketStep(ts, (_message(ts, symbol, given),))
            for seconds, symbol, *given in rows
            for ts in (opening.open + round(seconds * SECOND),)
        ]
        names = [each for each in dict.fromkeys(row[1] for row in rows) if each not in (contracts or {})]
        known = assets if assets is not None else [asset(each) for each in names]
        market = ScriptedMarket(
            days=days,
            assets=known,
            steps=steps,
            closes=closes or {"AAPL": 99.0},
            splits=splits,
            contracts=contracts,
        )
        return World(market, VenueOptions(**options), seed)

    return make


@pytest.fixture(scope="session")
def make_asset() -> Callable[..., Asset]:
    return asset


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], list[dict[str, Any]]]:
    """Reads recorded bodies, where they are: `PUNA_RECORDED`, or `../shared` beside the repository."""

    def read(kind: str) -> list[dict[str, Any]]:
        beside = Path(__file__).parents[4] / "shared" / "alpaca" / "recorded"
        file = Path(os.environ.get("PUNA_RECORDED", beside)) / f"{kind}.json"
        if not file.exists():
            pytest.skip(f"recorded bodies are not here: {file.name}")
        bodies: list[dict[str, Any]] = json.loads(file.read_text())["bodies"]
        return bodies

    return read


@pytest.fixture(scope="session")
def plain() -> Callable[[object], Any]:
    """What a struct looks like as JSON that was read again."""

    def read(value: object) -> Any:
        return msgspec.json.decode(encode(value))

    return read
