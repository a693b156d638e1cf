"""Laws of the venue: whatever is commanded on whatever market, the books balance and every order ends once."""

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from puna.exchange.data import Split
from puna.exchange.ledger import FeeSchedule
from puna.exchange.orders.book import Honest, Paper
from puna.exchange.venue import Refusal
from puna.seams import seeded_rng
from puna.wire.trading import LegRequest, Order, TradeUpdate

DAYS = (date(2012, 9, 17), date(2012, 9, 18))
OPEN, CLOSE, NIGHT = 0, 23_400, 86_400
TERMINAL = {"filled", "canceled", "expired", "replaced", "rejected"}
ENDS = {"fill", "canceled", "expired", "replaced", "rejected"}


def _script(seed: int, length: int) -> list[dict[str, Any]]:
    """Commands as a careless client gives them; most of them on a market that moves between them."""
    chance = random.Random(f"script {seed}")
    kinds = ["submit"] * 24 + ["wait"] * 24 + ["replace"] * 12 + ["cancel"] * 4 + ["close"] * 4
    kinds += ["close_all", "cancel_all"]
    return [_command(chance, chance.choice(kinds)) for _ in range(length)]


def _command(chance: random.Random, kind: str) -> dict[str, Any]:
    whole = chance.choice([1, 10, 100, 300, 300, 5000])
    symbol, which, off = chance.choice(["AAPL", "IBM"]), chance.randrange(50), chance.randrange(-150, 151)
    fields: dict[str, dict[str, Any]] = {
        "submit": {
            "symbol": symbol,
            "side": chance.choice(["buy", "buy", "sell"]),
            "type": chance.choice(["market", "limit", "limit", "limit", "stop", "stop_limit", "trailing_stop"]),
            "time_in_force": chance.choice(["day"] * 5 + ["gtc", "gtc", "ioc", "fok", "opg", "cls"]),
            "order_class": chance.choice([""] * 6 + ["bracket", "bracket", "oco", "oto"]),
            "away": chance.randrange(1, 150),
            "qty": chance.choice([whole, whole, whole, whole, Decimal(chance.randrange(10**7, 10**10)) / 10**9]),
            "dollars": chance.random() < 0.1,
            "off": off,
            "extended": chance.random() < 0.2,
        },
        "replace": {"which": which, "qty": chance.randrange(1, 400), "off": off},
        "cancel": {"which": which},
        "cancel_all": {},
        "close": {"symbol": symbol, "percentage": chance.choice([5, 33, 50, 100])},
        "close_all": {"cancel_orders": chance.random() < 0.7},
        "wait": {"seconds": chance.choice([0.01, 0.02, 0.03, 1, 60, 900, 900, 3600, 30_000])},
    }
    return {"do": kind, **fields[kind]}


def _market(seed: int) -> list[tuple[Any, ...]]:
    """Two days of two symbols, with quotes and prints every ten minutes, before and after hours too."""
    chance = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    for symbol, price in (("AAPL", 10_000), ("IBM", 4_000)):
        cents = price
        for day in (0, NIGHT):
            if day and symbol == "AAPL":
                cents //= 2
            for second in range(-3600, CLOSE + 3600, 600):
                cents = max(100, cents + chance.randrange(-150, 151))
                wide = chance.randrange(1, 20)
                rows.append((day + second, symbol, cents / 100, (cents + wide) / 100, chance.randrange(500)))
                rows.append((day + second, symbol, (cents + chance.randrange(wide + 1)) / 100))
    return rows


@dataclass
class Witness:
    """What somebody who only sees replies and updates knows about the account."""

    cash: Decimal = Decimal(100_000)
    held: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    filled: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    ended: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    split: bool = False

    def hear(self, updates: list[TradeUpdate], split_at: int) -> None:
        for each in updates[self.seen :]:
            if not self.split and (each.timestamp or 0) > split_at:
                self.apply_split()
            self._take(each)
        self.seen = len(updates)

    def apply_split(self) -> None:
        self.split = True
        self.held["AAPL"] *= 2

    def _take(self, each: TradeUpdate) -> None:
        order = each.order
        if each.event != "order_replace_rejected":
            assert not self.ended[order.id], f"{each.event} after the end"
        if each.event in ("fill", "partial_fill"):
            self._book(each)
        assert (order.filled_qty or 0) == self.filled[order.id]
        assert (each.event in ENDS) == (order.status in TERMINAL) or each.event == "order_replace_rejected"
        self.ended[order.id] += each.event in ENDS

    def _book(self, each: TradeUpdate) -> None:
        order, qty, price = each.order, each.qty or Decimal(0), each.price or Decimal(0)
        assert qty > 0
        sign = 1 if order.side == "buy" else -1
        if order.limit_price is not None:
            assert (order.limit_price - price) * sign >= 0
        self.filled[order.id] += qty
        assert order.qty is None or self.filled[order.id] <= order.qty
        assert order.notional is None or self.filled[order.id] * (order.filled_avg_price or 0) < order.notional + 1
        self.held[order.symbol or ""] += sign * qty
        self.cash -= sign * qty * price
        assert each.position_qty == self.held[order.symbol or ""]


def _run(world: Any, seed: int, script: list[dict[str, Any]], **options: Any) -> Any:
    """Plays the script and checks the laws after every command."""
    w = world(
        *_market(seed),
        days=DAYS,
        closes={"AAPL": 100.0, "IBM": 40.0},
        splits=[Split("AAPL", DAYS[1], 1, 2)],
        fills=Paper(seeded_rng(seed)) if options.pop("paper") else Honest(),
        **options,
    )
    witness = Witness()
    split_at = w.open + (NIGHT - 5.5 * 3600) * 10**9
    orders: list[str] = []
    for step in [{"do": "wait", "seconds": 5.5 * 3600}, *script]:
        before = _spare(w)
        reply = _do(w, dict(step), orders)
        witness.hear(w.updates, split_at)
        if not witness.split and w.now >= split_at:
            witness.apply_split()
        _check(w, witness)
        if isinstance(reply, Order):
            orders.append(reply.id)
            assert _spare(w) >= min(before, Decimal(0)) or (reply.position_intent or "").endswith("close")
    return w, witness, split_at


def _do(w: Any, step: dict[str, Any], orders: list[str]) -> Any:
    match step.pop("do"):
        case "wait":
            return w.to((w.now - w.open) / 1e9 + step["seconds"])
        case "submit":
            return _submit(w, **step)
        case "replace":
            name = _pick(w, orders, step["which"])
            order = w.venue.order(name)
            limit = order.limit_price if order else None
            qty = None if order and order.group_id else step["qty"]
            return w.replace(name, qty=qty, limit_price=limit and max(limit + Decimal(step["off"]) / 100, 1))
        case "cancel":
            return w.cancel(_pick(w, orders, step["which"]))
        case other:
            return getattr(w, other)(**step)


def _submit(w: Any, *, off: int, dollars: bool, extended: bool, qty: Any, away: int, **fields: Any) -> Any:
    near = w.venue._desk.marks[fields["symbol"]].quantize(Decimal("0.01"))
    price = max(near + Decimal(off) / 100, Decimal(1))
    kind = fields["type"]
    if fields["order_class"]:
        up = Decimal(away if (fields["side"] == "buy") is (fields["order_class"] != "oco") else -away) / 100
        fields["type"] = kind = "limit" if fields["order_class"] == "oco" or kind == "trailing_stop" else kind
        fields["take_profit"] = str(max(price + up, Decimal(1))) if fields["order_class"] != "oto" else None
        fields["stop_loss"] = str(max(price - up, Decimal(1)))
    if kind == "trailing_stop":
        fields["trail_price"] = Decimal(away) / 100
    return w.submit(
        **fields,
        qty=None if dollars else qty,
        notional=qty if dollars else None,
        limit_price=price if "limit" in kind else None,
        stop_price=price if "stop" in kind else None,
        extended_hours=True if extended and kind == "limit" else None,
    )


def _pick(w: Any, orders: list[str], which: int) -> str:
    """Mostly an open order, now and then any."""
    if which % 5 and (found := w.venue.orders()):
        name: str = found[which % len(found)].id
        return name
    return orders[which % len(orders)] if orders else "nobody"


def _spare(w: Any) -> Decimal:
    """Buying power before it is cut off at zero."""
    standing = w.venue._desk.standing()
    spare: Decimal = standing._gross_buying_power - standing.claimed
    return spare


def _check(w: Any, witness: Witness) -> None:
    ledger, account = w.venue.ledger, w.venue.account(w.now)
    assert ledger.imbalance == 0
    assert ledger.cash == witness.cash - ledger.fees
    assert {name: qty for name, (qty, _) in ledger.positions.items()} == {k: v for k, v in witness.held.items() if v}
    assert account.equity == account.cash + account.long_market_value + account.short_market_value
    assert account.buying_power >= 0
    for each in w.venue.positions():
        assert 0 <= abs(each.qty_available) <= abs(each.qty)
        assert each.qty_available * each.qty >= 0


SEEDS = st.integers(0, 10**6)


def _finish(w: Any, witness: Witness, split_at: int) -> list[Order]:
    """Days later, the last gtc orders canceled; every order as it is then."""
    w.to(3 * NIGHT)
    w.cancel_all()
    w.to((w.now - w.open) / 1e9 + 1)
    witness.hear(w.updates, split_at)
    if not witness.split:
        witness.apply_split()
    _check(w, witness)
    every: list[Order] = w.venue.orders(status="all", limit=500)
    return every


@settings(max_examples=60)
@given(
    seed=SEEDS,
    paper=st.booleans(),
    fees=st.sampled_from([None, FeeSchedule()]),
    formula=st.sampled_from(["maintenance", "exposure"]),
)
def test_the_books_balance_and_every_order_ends_once(
    world: Any, seed: int, paper: bool, fees: FeeSchedule | None, formula: str
) -> None:
    """Books follow from the updates alone, orders never cost more than there is, each ends once."""
    run = _run(world, seed, _script(seed, 80), paper=paper, fees=fees, buying_power=formula)
    every, ended = _finish(*run), run[1].ended
    assert {each.status for each in every} <= TERMINAL
    assert all(ended[each.id] == 1 for each in every)
    assert all(each.filled_qty == run[1].filled[each.id] for each in every)


def test_the_laws_are_tried_on_everything_that_can_happen(world: Any) -> None:
    """The scripts above lead to every event and to the refusals that depend on the state of things."""
    events: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for seed in range(30):
        w, witness, split_at = _run(world, seed, _script(seed, 80), paper=seed % 2 == 0)
        _finish(w, witness, split_at)
        events.update(w.events())
        events.update(f"{each.order.group_role} {each.event}" for each in w.updates if each.order.group_role)
        refusals.update(json.loads(each)["body"]["message"][:12] for each in w.lines if '"kind":"refusal"' in each)
    told = {"accepted", "pending_new", "new", "partial_fill", "fill", "canceled", "pending_cancel", "expired"}
    told |= {"pending_replace", "replaced", "order_replace_rejected"}
    groups = {f"{role} {event}" for role in ("entry", "take_profit", "stop_loss") for event in ("fill", "canceled")}
    assert groups | {"take_profit replaced", "take_profit expired"} <= set(events)
    assert {each for each in events if " " not in each} - {"rejected"} == told
    assert events["fill"] > 100
    reasons = {"insufficient", "potential wa", "order is alr", "unable to re", "position doe", "fractional o"}
    reasons |= {"bracket orde", "oco orders m", "oto orders m", "stop_loss.st", "opg orders m", "cls orders m"}
    assert reasons <= set(refusals)


@settings(max_examples=10)
@given(seed=SEEDS, paper=st.booleans())
def test_the_same_script_gives_the_same_log(world: Any, seed: int, paper: bool) -> None:
    """Commands and seed decide everything."""
    first, again = (_run(world, seed, _script(seed, 80), paper=paper)[0] for _ in range(2))
    assert first.log.hash == again.log.hash
    assert first.lines == again.lines


@settings(max_examples=60)
@given(
    type_=st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop", "x", None]),
    tif=st.sampled_from(["day", "gtc", "opg", "cls", "ioc", "fok", "x", None]),
    order_class=st.sampled_from([None, "", "simple", "bracket", "oco", "oto", "mleg", "x"]),
    side=st.sampled_from(["buy", "sell", "x", None]),
    amounts=st.fixed_dictionaries(
        {
            name: st.one_of(st.none(), st.decimals("-9e14", "9e14", places=9))
            for name in ("qty", "notional", "limit_price", "stop_price", "trail_price")
        }
    ),
    extended=st.sampled_from([None, True, False]),
    symbol=st.sampled_from(["AAPL", "AAPL121019C00100000", "AAPL121019P00095000", "BTC/USD", "BTCUSD", "", None]),
    legs=st.none()
    | st.lists(
        st.builds(
            LegRequest,
            symbol=st.sampled_from(["AAPL121019C00100000", "AAPL121019P00095000", "AAPL", "x", ""]),
            ratio_qty=st.decimals("-9e14", "9e14", places=9) | st.sampled_from([Decimal(1), Decimal(2)]),
            side=st.sampled_from(["buy", "sell", "x", None]),
            position_intent=st.sampled_from(["buy_to_open", "sell_to_close", "x", None]),
        ),
        max_size=5,
    ),
)
def test_every_request_is_accepted_or_refused(
    world: Any,
    make_asset: Any,
    type_: Any,
    tif: Any,
    order_class: Any,
    side: Any,
    amounts: dict[str, Any],
    extended: Any,
    symbol: Any,
    legs: Any,
) -> None:
    """Nothing that the wire lets through makes the venue fall over: stocks, options, coins, legs."""
    names = ("AAPL121019C00100000", "AAPL121019P00095000")
    coin = make_asset("BTC/USD", asset_class="crypto", marginable=False, price_increment=Decimal("0.01"))
    rows = [(0, each, 3.0, 3.1) for each in names] + [(0, "BTC/USD", 50_000.0, 50_010.0), (0, "AAPL", 99.98, 100.0)]
    w = world(*rows, assets=[make_asset("AAPL"), coin], contracts=dict.fromkeys(names, True))
    w.to(1)
    amounts = {name: value if value is None else f"{value:f}" for name, value in amounts.items()}
    asked = {"type": type_, "time_in_force": tif, "order_class": order_class, "side": side, "extended_hours": extended}
    reply = w.submit(**asked, **amounts, symbol=symbol, legs=legs)
    assert isinstance(reply, Order | Refusal)
    if isinstance(reply, Refusal):
        assert reply.status in (403, 422)
    w.to(100)
    assert w.venue.ledger.imbalance == 0
