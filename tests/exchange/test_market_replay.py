"""A replay of real days: its steps, its bars, and what it must not know yet."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core.sessions import date_of, new_york
from puna.errors import ConfigError, DataError
from puna.exchange.data import SYMBOLS, DailyBar, Listing, Split, Tape, tape
from puna.exchange.prices.bars import MINUTE, SECOND, midnight
from puna.exchange.prices.market import BAR_DELAY, MarketStep
from puna.exchange.prices.stocks import ReplayMarket
from puna.wire.codec import encode
from puna.wire.market import Bar
from puna.wire.stream import BarMessage, QuoteMessage, TradeMessage

DAY = date(2012, 10, 18)
DAY_NS = 24 * 60 * MINUTE


def everything(market: ReplayMarket) -> list[MarketStep]:
    """All steps to the end."""
    steps = []
    while (due := market.next_due()) is not None:
        step = market.step(due)
        assert step is None or step.ts == due
        if step is not None:
            steps.append(step)
    return steps


def thin(symbol: str) -> Tape:
    """A symbol of which seven shares trade in a day, two days before a split and one after it."""
    day = DailyBar(1000, 1100, 900, 1050, 7)
    after = DailyBar(500, 550, 450, 525, 7)
    days = {date(2012, 10, 17): day, date(2012, 10, 18): day, date(2012, 10, 19): after}
    return Tape(Listing(symbol, "NASDAQ", "Thin"), days, (Split(symbol, date(2012, 10, 19), 1, 2),))


def minute_bars(steps: list[MarketStep]) -> dict[str, list[Bar]]:
    """Bars put together from the prints alone, by the definition of a bar."""
    prints: dict[tuple[str, int], list[TradeMessage]] = defaultdict(list)
    for step in steps:
        for message in step.messages:
            if isinstance(message, TradeMessage):
                prints[message.S, message.t - message.t % MINUTE].append(message)
    made: dict[str, list[Bar]] = defaultdict(list)
    for (symbol, start), trades in prints.items():
        prices, shares = [trade.p for trade in trades], sum(trade.s for trade in trades)
        weighted = sum(trade.p * trade.s for trade in trades) / shares
        bar = Bar(
            t=start, o=prices[0], h=max(prices), l=min(prices), c=prices[-1], v=shares, n=len(trades), vw=weighted
        )
        made[symbol].append(bar)
    return made


def same(left: list[Bar], right: list[Bar]) -> bool:
    """Equal bars; the vwap to the rounding of its sixth decimal."""
    return len(left) == len(right) and all(
        (a.t, a.o, a.h, a.l, a.c, a.v, a.n) == (b.t, b.o, b.h, b.l, b.c, b.v, b.n) and abs(a.vw - b.vw) < 1e-6
        for a, b in zip(left, right, strict=True)
    )


def emitted(steps: list[MarketStep], symbol: str) -> list[Bar]:
    """The bars on the stream."""
    return [
        Bar(t=m.t, o=m.o, h=m.h, l=m.l, c=m.c, v=m.v, n=m.n, vw=m.vw)
        for step in steps
        for m in step.messages
        if isinstance(m, BarMessage) and symbol == m.S
    ]


def file_bar(symbol: str, on: date) -> Bar:
    """A day as the file has it."""
    day = tape(symbol).days[on]
    return Bar(t=midnight(on), o=day.open / 100, h=day.high / 100, l=day.low / 100, c=day.close / 100, v=day.volume)


real_replays = st.builds(
    lambda on, seed, step: ReplayMarket(first=on, seed=seed, step_seconds=step, history_days=0),
    on=st.sampled_from(list(tape("AAPL").days)),
    seed=st.integers(0, 2**31),
    step=st.sampled_from([15, 20, 30, 60]),
)


@settings(max_examples=15)
@given(market=real_replays)
def test_prints_bars_and_file_agree(market: ReplayMarket) -> None:
    """On any day with any seed: bars from prints = bars on the stream = bars over REST, and they add up to the file."""
    steps = everything(market)
    session = market.sessions[0]
    made = minute_bars(steps)
    for symbol in market.symbols:
        rest = market.bars(symbol, "1Min", None, None, session.close_ns + BAR_DELAY)
        assert same(made[symbol], emitted(steps, symbol))
        assert rest == emitted(steps, symbol)
        (day,) = market.bars(symbol, "1Day", midnight(session.date), None, session.close_ns + BAR_DELAY)
        cents = DailyBar(round(day.o * 100), round(day.h * 100), round(day.l * 100), round(day.c * 100), int(day.v))
        assert cents == tape(symbol).days[session.date]
        assert (day.o, day.h, day.l, day.c) == tuple(price / 100 for price in cents[:4])
        assert day.n == sum(bar.n for bar in rest)
        assert day.l <= day.vw <= day.h


@settings(max_examples=5)
@given(market=real_replays)
def test_quotes_are_usable_at_every_step(market: ReplayMarket) -> None:
    """Each quote stands on whole cents, bid below ask, and is what `quote` answers from then on."""
    while (due := market.next_due()) is not None:
        step = market.step(due)
        for message in step.messages if step else ():
            if isinstance(message, QuoteMessage):
                assert market.quote(message.S) is message
                assert 0 < message.bp < message.ap
                assert all(price == round(price * 100) / 100 for price in (message.bp, message.ap))
                assert min(message.bs, message.as_) >= 100
            elif isinstance(message, TradeMessage):
                assert market.trade(message.S) is message


def test_a_step_is_one_frame() -> None:
    """Steps come every 15 s with a quote and a print for each symbol; bars half a second after their minute."""
    market = ReplayMarket(first=DAY, seed=7, history_days=0)
    steps = everything(market)
    session = market.sessions[0]
    ticks = [step for step in steps if isinstance(step.messages[0], QuoteMessage)]
    assert [step.ts for step in ticks] == list(range(session.open_ns, session.close_ns, 15 * SECOND))
    kinds = [type(message) for message in ticks[0].messages]
    assert kinds == [QuoteMessage, TradeMessage] * len(SYMBOLS)
    bars = [step for step in steps if isinstance(step.messages[0], BarMessage)]
    assert [step.ts for step in bars] == [
        minute + MINUTE + BAR_DELAY for minute in range(session.open_ns, session.close_ns, MINUTE)
    ]
    assert all(message.t == step.ts - MINUTE - BAR_DELAY for step in bars for message in step.messages)
    assert all(before.ts < after.ts for before, after in pairwise(steps))
    assert (new_york(session.open_ns).hour, new_york(session.close_ns).hour) == (9, 16)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two replays of one seed encode to the same bytes, another seed to others; symbols do not disturb each other."""
    one, again, other = (
        b"".join(encode(step.messages) for step in everything(ReplayMarket(first=DAY, seed=seed))) for seed in (7, 7, 8)
    )
    assert one == again != other
    alone = everything(ReplayMarket(first=DAY, seed=7, symbols=["IBM"]))
    assert encode(alone[0].messages)[1:-1] in one


@given(cuts=st.lists(st.integers(0, 7 * 60 * 60), max_size=8))
@settings(max_examples=20)
def test_steps_do_not_depend_on_when_one_asks(cuts: list[int]) -> None:
    """Catching up in leaps gives the same steps, never one before its time, as taking each when it is due."""
    market, reference = (ReplayMarket(first=DAY, seed=7, symbols=["MSFT"], step_seconds=60) for _ in range(2))
    taken = []
    for now in [*(market.sessions[0].open_ns + cut * SECOND for cut in sorted(cuts)), market.sessions[0].close_ns * 2]:
        while step := market.step(now):
            assert step.ts <= now
            taken.append(step)
        due = market.next_due()
        assert due is None or due > now
    assert taken == everything(reference)


def test_before_the_open_there_is_nothing() -> None:
    """No quote, no print, no step and no bar of the day until it opens; yesterday's daily bar is there."""
    market = ReplayMarket(first=DAY, seed=7)
    opening = market.sessions[0].open_ns
    assert market.next_due() == opening
    assert market.step(opening - 1) is None
    assert market.quote("AAPL") is None
    assert market.trade("AAPL") is None
    assert market.bars("AAPL", "1Min", opening, None, opening - 1) == []
    assert date_of(market.bars("AAPL", "1Day", None, None, opening - 1)[-1].t) == date(2012, 10, 17)


@cache
def two_days_of_google() -> tuple[ReplayMarket, list[Bar]]:
    """A replay whose bars may be asked for, and all its minutes as the prints of another one make them."""
    market, other = (ReplayMarket(first=DAY, days=2, seed=7, symbols=["GOOG"], history_days=0) for _ in range(2))
    return market, minute_bars(everything(other))["GOOG"]


# Which bars belong together, told without the code that is tested.
WINDOWS: dict[str, Callable[[int], object]] = {
    "1Min": lambda t: t,
    "5Min": lambda t: t // (5 * MINUTE),
    "1Hour": lambda t: t // (60 * MINUTE),
    "1Day": date_of,
    "1Week": lambda t: date_of(t).isocalendar()[:2],
    "1Month": lambda t: (date_of(t).year, date_of(t).month),
}


@given(seconds=st.integers(-2 * 60 * 60, 31 * 60 * 60), nudge=st.integers(-1, 1), frame=st.sampled_from(list(WINDOWS)))
def test_nothing_is_known_early(seconds: int, nudge: int, frame: str) -> None:
    """At any moment of two days every bar is made of the minutes that are over by then and the days before."""
    market, minutes = two_days_of_google()
    since = date(2012, 10, 1)
    now = market.sessions[0].open_ns + seconds * SECOND + BAR_DELAY + nudge
    known = [bar for bar in minutes if bar.t + MINUTE + BAR_DELAY <= now]
    if frame in {"1Day", "1Week", "1Month"}:
        before = [file_bar("GOOG", on) for on in tape("GOOG").days if since <= on < DAY]
        known = [*before, *known]
    groups = [list(group) for _, group in groupby(known, lambda bar: WINDOWS[frame](bar.t))]
    told = market.bars("GOOG", frame, midnight(since), None, now)
    assert [(bar.o, bar.h, bar.l, bar.c, bar.v) for bar in told] == [
        (
            group[0].o,
            max(bar.h for bar in group),
            min(bar.l for bar in group),
            group[-1].c,
            sum(bar.v for bar in group),
        )
        for group in groups
    ]


def tape_prints(market: ReplayMarket) -> int:
    """One print a step, where enough is traded."""
    return sum((session.close_ns - session.open_ns) // (15 * SECOND) for session in market.sessions)


def test_a_day_before_the_replay_is_known_when_it_is_over() -> None:
    """Asked as of a moment before the replay, the daily bar of that day appears with its last minute, not earlier."""
    market = ReplayMarket(first=DAY, seed=7)
    eve_close = market.sessions[0].close_ns - DAY_NS
    early, late = (market.bars("IBM", "1Day", None, None, eve_close + BAR_DELAY - nudge) for nudge in (1, 0))
    assert date_of(early[-1].t) == date(2012, 10, 16)
    assert late == [*early, file_bar("IBM", date(2012, 10, 17))]


def test_symbols_and_days_have_chances_of_their_own() -> None:
    """Two symbols with equal bars take different paths, and so does one symbol on two days with equal bars."""
    market = ReplayMarket(first=date(2012, 10, 17), days=2, seed=7, symbols=["ONE", "TWO"], tapes=thin)
    paths: dict[tuple[str, date], list[float]] = defaultdict(list)
    for step in everything(market):
        for message in step.messages:
            if isinstance(message, QuoteMessage):
                paths[message.S, date_of(message.t)].append(message.bp)
    assert len(paths) == 4
    assert len(set(map(tuple, paths.values()))) == 4


def test_the_day_so_far() -> None:
    """While a day runs its daily bar shows the minutes so far; with running_bars off it waits for the close."""
    open_, waiting = (
        ReplayMarket(first=DAY, seed=7, symbols=["AAPL"], running_bars=running) for running in (True, False)
    )
    session = open_.sessions[0]
    noon, after = session.open_ns + 150 * MINUTE, session.close_ns + BAR_DELAY
    minutes = open_.bars("AAPL", "1Min", session.open_ns, None, noon)
    assert len(minutes) == 149
    so_far = open_.bars("AAPL", "1Day", None, None, noon)[-1]
    assert (so_far.t, so_far.o, so_far.c) == (midnight(DAY), minutes[0].o, minutes[-1].c)
    assert so_far.h == max(bar.h for bar in minutes)
    assert so_far.v == sum(bar.v for bar in minutes)
    assert date_of(waiting.bars("AAPL", "1Day", None, None, noon)[-1].t) == date(2012, 10, 17)
    (rung,) = open_.bars("AAPL", "1Day", midnight(DAY), None, session.close_ns)
    assert rung.n == tape_prints(open_) - 4
    assert open_.bars("AAPL", "1Day", midnight(DAY), None, after)[0].n == tape_prints(open_)
    assert waiting.bars("AAPL", "1Day", None, None, after) == open_.bars("AAPL", "1Day", None, None, after)
    assert waiting.bars("AAPL", "1Hour", session.open_ns - 30 * MINUTE, None, noon)[-1].t == noon - 2 * 60 * MINUTE
    assert open_.bars("AAPL", "1Hour", session.open_ns - 30 * MINUTE, None, noon)[-1].t == noon - 60 * MINUTE
    assert date_of(waiting.bars("AAPL", "1Week", None, None, noon)[-1].t) == date(2012, 10, 8)


def test_a_minute_without_prints_has_no_bar() -> None:
    """Seven shares a day make at most seven bars; the other minutes, and steps without a print, tell only quotes."""
    market = ReplayMarket(first=DAY, seed=7, symbols=["THIN"], tapes=thin)
    steps = everything(market)
    prints = [m for step in steps for m in step.messages if isinstance(m, TradeMessage)]
    bars = emitted(steps, "THIN")
    assert sum(trade.s for trade in prints) == 7
    assert 1 <= len(bars) <= 7
    assert market.bars("THIN", "1Min", market.sessions[0].open_ns, None, steps[-1].ts + DAY_NS) == bars
    assert sum(isinstance(m, QuoteMessage) for step in steps for m in step.messages) == 1560


def test_bars_are_cut_at_start_and_end() -> None:
    """`start` and `end` bound the left edge, both included."""
    market = ReplayMarket(first=DAY, seed=7)
    close = market.sessions[0].close_ns + BAR_DELAY
    first = market.sessions[0].open_ns + 60 * MINUTE
    for frame, width in (("1Min", MINUTE), ("5Min", 5 * MINUTE), ("30Min", 30 * MINUTE)):
        found = market.bars("IBM", frame, first, first + 60 * MINUTE, close)
        assert [bar.t for bar in found] == list(range(first, first + 60 * MINUTE + 1, width))
        assert market.bars("IBM", frame, first + 1, first + width - 1, close) == []
    days = market.bars("IBM", "1Day", midnight(date(2012, 10, 1)), midnight(date(2012, 10, 5)), close)
    assert [date_of(bar.t).day for bar in days] == [1, 2, 3, 4, 5]


def test_minute_history_goes_back_as_far_as_asked() -> None:
    """`history_days` sessions before the replay have minute bars that meet their days; earlier ones have none."""
    market = ReplayMarket(first=DAY, seed=7, history_days=3)
    minutes = market.bars("MSFT", "1Min", None, None, market.sessions[0].open_ns)
    assert sorted({date_of(bar.t) for bar in minutes}) == [date(2012, 10, 15), date(2012, 10, 16), date(2012, 10, 17)]
    last = [bar for bar in minutes if date_of(bar.t) == date(2012, 10, 17)]
    assert sum(bar.v for bar in last) == tape("MSFT").days[date(2012, 10, 17)].volume
    assert last[-1].c == tape("MSFT").days[date(2012, 10, 17)].close / 100


def test_days_follow_each_other() -> None:
    """Several days play one after another over a weekend; the last quote stands until the next open."""
    market = ReplayMarket(first=date(2012, 10, 19), days=2, seed=7, symbols=["IBM"], step_seconds=60)
    friday, monday = market.sessions
    assert monday.date == date(2012, 10, 22)
    while market.step(friday.close_ns + MINUTE):
        pass
    last = market.quote("IBM")
    assert last is not None
    assert last.t == friday.close_ns - MINUTE
    assert market.next_due() == monday.open_ns
    assert market.step(monday.open_ns) is not None
    assert market.quote("IBM") is not last
    daily = market.bars("IBM", "1Week", midnight(date(2012, 10, 15)), None, monday.close_ns + BAR_DELAY)
    assert [date_of(bar.t) for bar in daily] == [date(2012, 10, 15), date(2012, 10, 22)]


def test_a_half_day_is_half() -> None:
    """The day after Thanksgiving has 210 minutes, and meets its bar in them."""
    market = ReplayMarket(first=date(2012, 11, 23), seed=7, symbols=["AAPL"])
    bars = emitted(everything(market), "AAPL")
    assert len(bars) == 210
    assert new_york(bars[-1].t).strftime("%H:%M") == "12:59"
    assert sum(bar.v for bar in bars) == tape("AAPL").days[date(2012, 11, 23)].volume


def test_splits_are_adjusted_on_request() -> None:
    """Over Apple's split of 2005 raw bars fall by half; adjusted ones do not, but only once the split has happened."""
    market = ReplayMarket(first=date(2005, 2, 25), days=2, seed=7, symbols=["AAPL"], step_seconds=60)
    before, after = (session.close_ns + BAR_DELAY for session in market.sessions)
    since = midnight(date(2005, 2, 24))
    raw = market.bars("AAPL", "1Day", since, None, after)
    adjusted = market.bars("AAPL", "1Day", since, None, after, "split")
    assert [bar.c for bar in raw] == [88.93, 88.99, 44.86]
    assert [bar.c for bar in adjusted] == [44.465, 44.495, 44.86]
    assert adjusted[0].v == 2 * raw[0].v
    assert market.bars("AAPL", "1Day", since, None, before, "all") == raw[:2]
    minutes, halved = (
        market.bars("AAPL", "1Min", since, market.sessions[0].close_ns, after, how) for how in ("raw", "all")
    )
    assert [bar.o / 2 for bar in minutes] == pytest.approx([bar.o for bar in halved], abs=5.1e-5)
    assert [split.ex_date for split in market.splits("AAPL")] == [date(2000, 6, 21), date(2005, 2, 28)]
    assert market.splits("TSLA") == ()


def test_what_is_not_listed_yet_is_absent() -> None:
    """Facebook does not exist the day before its first day; in a replay that reaches it, it begins then."""
    before = ReplayMarket(first=date(2012, 5, 17), seed=7)
    assert before.symbols == ("AAPL", "GOOG", "IBM", "MSFT")
    assert "FB" not in {asset.symbol for asset in before.assets()}
    assert before.bars("FB", "1Day", None, None, before.sessions[0].close_ns) == []
    reaching = ReplayMarket(first=date(2012, 5, 17), days=2, seed=7, step_seconds=60)
    days = {date_of(step.ts) for step in everything(reaching) for m in step.messages if m.S == "FB"}
    assert days == {date(2012, 5, 18)}
    assert ReplayMarket(first=date(2000, 3, 1), seed=7).symbols == ("AAPL", "IBM", "MSFT")


@pytest.mark.parametrize(
    ("first", "days", "symbols", "code", "words"),
    [
        pytest.param(date(1999, 12, 31), 1, SYMBOLS, "E610", "2000-03-01 to 2013-03-01", id="before the data"),
        pytest.param(date(2026, 1, 5), 1, SYMBOLS, "E610", "2000-03-01 to 2013-03-01", id="after the data"),
        pytest.param(date(2013, 2, 28), 3, SYMBOLS, "E610", "2013-03-04", id="running out of it"),
        pytest.param(date(2012, 5, 17), 1, ["FB"], "E610", "FB 2012-05-18 to 2013-03-01", id="not listed"),
        pytest.param(date(2012, 7, 4), 1, SYMBOLS, "E615", "choose 2012-07-03 or 2012-07-05", id="holiday"),
        pytest.param(date(2012, 10, 20), 1, SYMBOLS, "E615", "not a trading day", id="Saturday"),
        pytest.param(DAY, 1, ["AAPL", "TSLA"], "E611", "TSLA", id="unknown symbol"),
    ],
)
def test_days_without_data_are_told(first: date, days: int, symbols: list[str], code: str, words: str) -> None:
    """A day that cannot be replayed is a DataError that says why and what could be."""
    with pytest.raises(DataError) as caught:
        ReplayMarket(first=first, days=days, symbols=symbols, seed=7)
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize("timeframe", ["1Min", "7Min", "1Hour", "23Hour"])
def test_bars_to_an_end_are_those_of_all_bars_up_to_it(timeframe: str) -> None:
    """What lies behind the end is not made for it, and nothing before it is missing."""
    market = ReplayMarket(first=DAY, seed=7, symbols=["IBM"], history_days=6)
    now, start = market.sessions[0].close_ns, midnight(date(2012, 10, 1))
    known = market.bars("IBM", timeframe, start, None, now)
    for end in (known[0].t, known[len(known) // 2].t, known[len(known) // 2].t + 1, known[-1].t - 1):
        assert market.bars("IBM", timeframe, start, end, now) == [bar for bar in known if bar.t <= end]


@pytest.mark.parametrize(
    "numbers", [{"days": 0}, {"step_seconds": 0}, {"step_seconds": 7}, {"history_days": -1}, {"symbols": ()}]
)
def test_numbers_that_make_no_replay_are_refused(numbers: dict[str, int]) -> None:
    """No days, steps that do not divide a minute, no symbols: a ConfigError, before anything starts."""
    with pytest.raises(ConfigError):
        ReplayMarket(first=DAY, seed=7, **numbers)  # type: ignore[arg-type]


def test_assets_look_like_alpacas() -> None:
    """Each instrument is an active, tradable stock with an id that never changes."""
    market = ReplayMarket(first=DAY, seed=7)
    assets = {asset.symbol: asset for asset in market.assets()}
    assert tuple(assets) == market.symbols == SYMBOLS
    assert {symbol: asset.exchange for symbol, asset in assets.items()} == {
        "AAPL": "NASDAQ",
        "FB": "NASDAQ",
        "GOOG": "NASDAQ",
        "IBM": "NYSE",
        "MSFT": "NASDAQ",
    }
    assert assets["AAPL"].id == "b8c36e24-c8d9-5158-aa88-69349922e302"
    assert len({asset.id for asset in assets.values()}) == len(SYMBOLS)
    for asset in assets.values():
        assert (asset.asset_class, asset.status) == ("us_equity", "active")
        assert asset.tradable
        assert asset.fractionable
        assert asset.shortable
