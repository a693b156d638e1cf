"""Whole days in lockstep: what is bought is booked, what is refused is told, and the books agree with the exchange."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from puna import Strategy
from puna.core.orders import Status
from puna.core.risk import RiskLimits
from puna.engine.blotter import Blotter
from puna.engine.entries import from_record
from puna.engine.record import read_record, write_record
from puna.engine.storage import SqliteStorage
from puna.errors import AuthError, ConfigError


class Momentum(Strategy):
    """The smallest strategy that makes sense."""

    name = "momentum"
    symbols = ("AAPL", "MSFT")
    warmup: Mapping[str, int] = {"1Day": 20}

    def on_bar(self, bar: Any) -> None:
        bars = self.history(bar.symbol)
        if len(bars) % 15 == 0:
            self.target(bar.symbol, 0.3 if bars[-1].close > bars[-15].close else 0, because="quarter of an hour")


async def test_a_day_ends_with_books_equal_to_the_exchange(lab: Any) -> None:
    """A strategy trades a whole day; cash and positions equal the exchange's own ledger to the cent."""
    market = lab.exchange()
    record = await market.trader(Momentum()).run()
    books = market.thread.books()
    assert len(record.fills) > 10
    assert (record.outcome, record.state) == ("completed", "active")
    assert record.books is not None
    assert record.books.equal
    assert record.cash == books.cash
    assert {row.symbol: row.qty for row in record.positions} == {key: qty for key, (qty, _) in books.positions.items()}
    assert record.equity[0].ts == lab.OPEN - lab.MINUTE
    assert record.ended_ts >= lab.CLOSE
    assert {len(each) for each in record.prices.values()} == {390}
    assert all(row.because for row in record.orders)
    assert all(row.arrival_mid and row.ts_final for row in record.orders)
    assert read_record(write_record(record)) == record


async def test_two_days_of_one_seed_are_the_same_to_the_last_record(lab: Any) -> None:
    """Same seed: the same event log at the exchange and the same journal here; another seed: others."""
    found = []
    for seed in (7, 7, 8):
        market = lab.exchange(seed=seed)
        record = await market.trader(Momentum(), minutes=90).run()
        found.append((market.thread.event_log_hash(), record.journal_hash))
    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_a_replayed_journal_gives_the_live_state(lab: Any) -> None:
    """state(replay(journal)) is the live state: orders, portfolio, sleeves, trading state."""
    market = lab.exchange()
    trader = market.trader(Momentum(), minutes=60, journal=lab.journal)
    await trader.run()
    storage, replayed = SqliteStorage(lab.journal), Blotter()
    for seq, record in storage.read():
        replayed.apply(seq, from_record(seq, record))
    storage.close()
    assert len(replayed.orders) > 3
    assert replayed.digest() == trader.gateway.blotter.digest()


async def test_a_fill_is_durable_and_booked_before_the_strategy_hears_of_it(lab: Any) -> None:
    """Inside on_fill the journal's file already holds the evidence, and the position the fill."""
    seen: list[tuple[Decimal, int]] = []

    class Curious(Strategy):
        name = "curious"
        symbols = ("AAPL",)

        def on_bar(self, bar: Any) -> None:
            if not self.position("AAPL") and not self.orders():
                self.buy("AAPL", 5)

        def on_fill(self, fill: Any) -> None:
            storage = trader.gateway.journal._storage
            records = [record for _, record in storage.read() if record.key == fill.client_order_id]
            seen.append((self.position("AAPL"), sum(b'"cum_qty":"5"' in record.body for record in records)))

    market = lab.exchange()
    trader = market.trader(Curious(), minutes=3, journal=lab.journal)
    await trader.run()
    assert seen == [(Decimal(5), 1)]


async def test_orders_of_every_kind_take_their_way(lab: Any) -> None:
    """Market, limit, stop and stop-limit orders; a replace and a cancel; each ends as it must, and nothing is left."""
    ids: dict[str, str] = {}

    def place(s: Any) -> None:
        price = Decimal(repr(s.quote("AAPL").bid))
        ids["market"] = s.buy("AAPL", 10)
        ids["resting"] = s.buy("AAPL", 1, limit=price - 5)
        ids["stop"] = s.buy("AAPL", 1, stop=price + 50, limit=price + 51)

    def change(s: Any) -> None:
        ids["replaced"] = s.replace(ids["resting"], limit=s.order(ids["resting"]).intent.limit_price - 1)
        s.cancel(ids["stop"])

    strategy = lab.scripted(
        m1=place, m3=change, m5=lambda s: s.cancel(ids["replaced"]), m6=lambda s: s.sell("AAPL", 10)
    )
    market = lab.exchange()
    trader = market.trader(strategy, minutes=9)
    record = await trader.run()
    ended = {name: trader.gateway.blotter.orders[key].status for name, key in ids.items()}
    assert ended == {
        "market": Status.FILLED,
        "resting": Status.REPLACED,
        "stop": Status.CANCELED,
        "replaced": Status.CANCELED,
    }
    assert record.books is not None
    assert record.books.equal
    assert [row.replaces for row in record.orders if row.client_order_id == ids["replaced"]] == [ids["resting"]]
    assert not record.positions


async def test_what_risk_refuses_is_written_down_and_never_sent(lab: Any) -> None:
    """An order beyond the position cap: told with code and reason, in the record, unknown to the exchange."""
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 60, because="all in"))
    market = lab.exchange()
    limits = RiskLimits(max_position_value=Decimal(10_000))
    record = await market.trader(strategy, minutes=3, limits=limits).run()
    (row,) = record.orders
    assert (row.status, row.refusal_code, row.because, record.refusals) == ("refused", "R104", "all in", 1)
    assert row.refusal_text
    assert "10,000.00" in row.refusal_text
    assert [code for code, _ in strategy.refused] == ["R104"]
    assert market.orders() == []


async def test_what_the_broker_refuses_is_refused_with_its_words(lab: Any) -> None:
    """A refusal at once (403): the order ends as refused, with the broker's code and text; the next one works."""
    fault = lab.fault(on="POST /v2/orders", action="error_before", status=403,
                      body='{"code": 40310000, "message": "insufficient buying power"}')  # fmt: skip
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1), m2=lambda s: s.buy("AAPL", 2))
    market = lab.exchange(faults=(fault,))
    record = await market.trader(strategy, minutes=4).run()
    first, second = record.orders
    assert (first.status, first.refusal_code, first.refusal_text) == (
        "refused",
        "40310000",
        "insufficient buying power",
    )
    assert second.status == "filled"
    assert len(market.orders()) == 1


async def test_a_failing_strategy_is_stopped_and_the_others_go_on(lab: Any) -> None:
    """What a strategy raises is written down and ends it; what it had just asked for never leaves; others trade on."""

    def fail(s: Any) -> None:
        s.buy("AAPL", 1, limit=Decimal(600))
        raise ZeroDivisionError("one over nothing")

    failing, other = lab.scripted(m1=fail, m4=lambda s: s.buy("AAPL", 1)), lab.scripted(m5=lambda s: s.buy("AAPL", 3))
    other.name = "other"
    market = lab.exchange()
    record = await market.trader(failing, other, minutes=8).run()
    assert [row.status for row in record.orders if row.strategy == "scripted"] == ["abandoned"]
    assert [row.status for row in record.orders if row.strategy == "other"] == ["filled"]
    assert any("one over nothing" in note.text for note in record.notes)
    assert failing.fills == []


async def test_a_failing_strategy_may_leave_its_orders(lab: Any) -> None:
    """`when_stopped = "leave"`: the order stays as it is."""

    def fail(s: Any) -> None:
        s.buy("AAPL", 1, limit=Decimal(600), tif="gtc")
        raise ValueError

    failing = lab.scripted(m1=fail)
    failing.when_stopped = "leave"
    market = lab.exchange()
    await market.trader(failing, minutes=4).run()
    assert [order.status for order in market.orders()] == ["new"]


async def test_a_stopped_run_cancels_what_is_open_and_compares_the_books(lab: Any) -> None:
    """`stop` in the middle of the day: on_stop is called, open orders end, the books are equal."""
    market = lab.exchange()
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1, limit=Decimal(600)), m2=lambda s: s.buy("AAPL", 2))
    trader = market.trader(strategy)
    strategy.deeds[5] = lambda _: trader.stop()
    record = await trader.run()
    assert record.outcome == "stopped"
    assert [row.status for row in record.orders] == ["canceled", "filled"]
    assert record.books is not None
    assert record.books.equal
    assert record.ended_ts < lab.OPEN + 10 * lab.MINUTE


async def test_day_orders_that_rest_end_with_the_day(lab: Any) -> None:
    """An order that nobody took expires at the close, and the record says so."""
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1, limit=Decimal(600)))
    market = lab.exchange()
    record = await market.trader(strategy, until=None).run()
    assert [row.status for row in record.orders] == ["expired"]


async def test_an_unknown_symbol_is_one_clear_error(lab: Any) -> None:
    """Nothing is sent, and the error names the symbol."""
    strategy = lab.scripted()
    strategy.symbols = ("NOPE",)
    with pytest.raises(ConfigError, match="does not know NOPE"):
        await lab.exchange().trader(strategy).run()


async def test_a_sub_penny_price_is_refused_before_it_leaves(lab: Any) -> None:
    """The broker's own rule, asked here first."""
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1, limit="600.001"))
    market = lab.exchange()
    record = await market.trader(strategy, minutes=3).run()
    assert [row.refusal_code for row in record.orders] == ["R103"]
    assert market.orders() == []


async def test_wrong_keys_are_one_clear_error(lab: Any) -> None:
    """401 at the start: nothing is begun."""
    market = lab.exchange(keys={"ANOTHER": "KEY"})
    with pytest.raises(AuthError):
        await market.trader(lab.scripted()).run()


async def test_longer_bars_are_made_of_minutes(lab: Any) -> None:
    """A strategy on 5Min hears every fifth minute, with the range and volume of its five minutes."""
    heard: list[Any] = []

    class Slow(Strategy):
        name = "slow"
        symbols = ("AAPL",)
        timeframe = "5Min"

        def on_bar(self, bar: Any) -> None:
            heard.append((bar, self.history("AAPL", "1Min")[-5:]))

    await lab.exchange().trader(Slow(), minutes=20).run()
    assert [(bar.ts_event - lab.OPEN) // lab.MINUTE for bar, _ in heard] == [0, 5, 10, 15]
    for bar, five in heard:
        assert (bar.open, bar.close) == (five[0].open, five[-1].close)
        assert (bar.high, bar.low) == (max(each.high for each in five), min(each.low for each in five))
        assert bar.volume == sum(each.volume for each in five)


async def test_warm_up_is_history_and_nothing_else(lab: Any) -> None:
    """Warm-up bars are there in on_start, complete days before today; on_bar hears only what is new."""
    heard: list[Any] = []

    class Warm(Strategy):
        name = "warm"
        symbols = ("AAPL",)
        warmup: Mapping[str, int] = {"1Day": 20}

        def on_start(self) -> None:
            heard.append(("start", len(self.history("AAPL", "1Day"))))

        def on_bar(self, bar: Any) -> None:
            heard.append(bar.ts_event)

    await lab.exchange().trader(Warm(), minutes=2).run()
    assert heard[0] == ("start", 20)
    assert heard[1:] == [lab.OPEN, lab.OPEN + lab.MINUTE]
