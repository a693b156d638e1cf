"""Alarms stand until a person acknowledges them, are told within seconds and again, and hold up no order."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.config.secret import Secret
from puna.core.risk import Lock, RiskLimits, TradingState
from puna.engine.alarms import Alarm, Alarms, alarms_of
from puna.engine.alerts import Alerts, AlertTerms, restriction
from puna.engine.delivery import LONGEST, Alert, Command, Heartbeat, Webhook, send
from puna.engine.entries import Acknowledged, Alerted, Entry, Locked, Note, StateChange, to_record
from puna.engine.gateway import Gateway
from puna.engine.journal import Journal
from puna.engine.latch import Latch, Seen, Wish
from puna.engine.market import MarketView
from puna.engine.pacing import PacedClock
from puna.engine.storage import MemoryStorage, SqliteStorage, records
from puna.errors import JournalError, PunaError
from puna.seams import DrivenClock
from puna.wire.trading import OrderRequest

HALTED, REDUCING, ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE
FAILED = Note(ts=5, code="E910", text="momentum failed in on_bar")


def state(to: TradingState, by: str, scope: str = "", ts: int = 1) -> StateChange:
    return StateChange(ts=ts, state=to, reason="because", by=by, scope=scope)


def lock(scope: str = "") -> Locked:
    return Locked(ts=2, lock=Lock(scope=scope, cause="daily_loss", until=0, reason="too much"))


def added(*entries: Entry) -> Alarms:
    found = Alarms()
    for number, entry in enumerate(entries, 1):
        found.take(number, entry)
    return found


class Receiver:
    """A webhook on loopback that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.pings = 0
        self.status = 200
        self.hang = False
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        if self.hang:
            await asyncio.sleep(3600)
        headers = {"Location": f"{self.url}/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)

    async def ping(self, _: web.Request) -> web.Response:
        self.pings += 1
        return web.Response(status=self.status)

    def webhook(self, key: str = "text") -> Webhook:
        return Webhook(Secret(f"{self.url}/hook/s3cret"), key)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made, app = Receiver(), web.Application()
    app.router.add_post("/{anything:.*}", made.take)
    app.router.add_get("/ping/s3cret", made.ping)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def until(question: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110 - what is waited for is a file, or in another thread
            await asyncio.sleep(0.005)


# --- what an alarm is


def test_a_halt_that_nobody_asked_for_is_an_alarm_and_one_that_somebody_did_is_none() -> None:
    """By the gateway, the broker, a signal, the watchdog: an alarm; by a person: none."""
    for by in ("gateway", "broker", "signal", "watchdog", "unknown"):
        (found,) = added(state(HALTED, by)).standing.values()
        assert (found.number, found.code) == (1, "E520")
        assert by in found.text
    assert not added(state(HALTED, "operator"), state(ACTIVE, "broker")).standing


def test_locks_and_failed_strategies_are_alarms_and_other_notes_are_not() -> None:
    """A protection (R121), a failure (E910); not that the account could not be read once (E011)."""
    found = added(lock(), FAILED, Note(ts=3, code="E011", text="the network"))
    assert [each.code for each in found.standing.values()] == ["R121", "E910"]


def test_what_says_the_same_counts_and_does_not_stand_twice() -> None:
    """Once more while it stands: one alarm, twice; after it was acknowledged: a new one."""
    found = added(FAILED, FAILED)
    assert [(each.number, each.count) for each in found.standing.values()] == [(1, 2)]
    found.take(3, Acknowledged(ts=6, alarms=(1,), by="ann", reason="mended"))
    assert not found.standing
    assert (found.ended[1].by, found.ended[1].reason, found.ended[1].ended) == ("ann", "mended", 6)
    found.take(4, FAILED)
    assert list(found.standing) == [4]


def test_resuming_acknowledges_what_it_ends_and_nothing_else() -> None:
    """The account: its halt and every lock; a strategy: its own; a failure of a strategy stays."""
    entries = (state(HALTED, "gateway"), lock(), lock("strategy:a"), FAILED, state(HALTED, "x", "symbol:AAPL"))
    assert list(added(*entries, state(ACTIVE, "operator")).standing) == [4, 5]
    assert list(added(*entries, state(ACTIVE, "operator", "strategy:a")).standing) == [1, 2, 4, 5]
    assert list(added(*entries, state(ACTIVE, "broker")).standing) == [1, 2, 3, 4, 5]


def test_alarms_of_a_journal_are_those_of_its_entries(tmp_path: Path) -> None:
    """Read from the file, alone of the kinds that matter."""
    entries: list[Entry] = [FAILED, lock(), Alerted(ts=7, up_to=2, to=("webhook",))]
    with closing(SqliteStorage(tmp_path / "j.sqlite")) as storage:
        storage.append([to_record(each) for each in entries])
    found = alarms_of(records(tmp_path / "j.sqlite"))
    assert found.standing == added(*entries).standing
    assert found.alerted == entries[-1]


ENTRIES = st.lists(
    st.one_of(
        st.builds(state, st.sampled_from((HALTED, REDUCING, ACTIVE)), st.sampled_from(("gateway", "operator")),
                  st.sampled_from(("", "strategy:a", "symbol:AAPL"))),
        st.builds(lock, st.sampled_from(("", "strategy:a"))),
        st.builds(Note, ts=st.just(3), code=st.sampled_from(("E910", "E521", "E011")), text=st.sampled_from("xy")),
        st.builds(Acknowledged, ts=st.just(4), by=st.just("ann"), reason=st.just("seen"),
                  alarms=st.lists(st.integers(1, 12), max_size=3).map(tuple)),
    ),
    max_size=12,
)  # fmt: skip


@given(ENTRIES)
def test_an_alarm_stands_or_was_ended_by_somebody_and_each_is_a_record(entries: list[Entry]) -> None:
    """No two say the same; none stands and has ended; numbers are those of the records; all can be acknowledged."""
    found = added(*entries)
    standing, ended = found.standing, found.ended
    assert not standing.keys() & ended.keys()
    assert len({(each.code, each.text) for each in standing.values()}) == len(standing)
    for number, each in [*standing.items(), *ended.items()]:
        record = entries[number - 1]
        assert (each.number, each.ts) == (number, record.ts)
        assert isinstance(record, StateChange | Locked | Note)
    assert all(each.by and each.reason and each.ended for each in ended.values())
    assert not any(each.by for each in standing.values())
    said = sum(each.count for each in (*standing.values(), *ended.values()))
    assert said == sum(bool(added(each).standing) for each in entries)
    found.take(13, Acknowledged(ts=5, alarms=tuple(standing), by="ann", reason="all"))
    assert not found.standing


# --- how it is told


def alarm(number: int, text: str = "x") -> Alarm:
    return Alarm(number=number, ts=1_348_063_800 * 10**9, last=0, code="E910", text=text)


def test_the_text_fits_a_chat_and_says_what_was_left_out() -> None:
    """A hundred long alarms with control characters: the newest first, then how many more; no breaks inside."""
    text = Alert(run="bot (paper)", alarms=tuple(alarm(n, f"{n}\n\x1b" + "y" * 900) for n in range(1, 101))).text
    assert len(text) <= LONGEST
    assert "\x1b" not in text
    lines = text.split("\n")
    assert lines[0] == "Puna, bot (paper): 100 alarms stand"
    assert lines[1].startswith("#100 2012-09-19 10:10:00 New York  E910 100  yyy")
    shown = sum(line.startswith("#") for line in lines)
    assert f"... and {100 - shown} more" in lines


async def test_a_webhook_gets_text_and_alarms_under_the_key_of_its_choice(receiver: Receiver) -> None:
    """JSON over real HTTP."""
    for key in ("text", "content"):
        taken, failed = await send([receiver.webhook(key)], Alert(run="r", alarms=(alarm(3),)))
        assert (taken, failed) == (("webhook",), {})
    assert receiver.told[0]["text"] == receiver.told[1]["content"]
    assert receiver.told[0]["alarms"][0]["number"] == 3


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_webhook_that_does_not_answer_with_success_has_failed(receiver: Receiver, status: int) -> None:
    """A redirect is not followed; no secret is in the reason."""
    receiver.status = status
    _, failed = await send([receiver.webhook()], Alert(run="r", test=True))
    assert failed == {"webhook": f"it answered HTTP {status}"}
    assert len(receiver.told) == 1


async def test_a_webhook_that_is_away_has_failed_without_telling_its_address() -> None:
    """Nothing listens there: a typed reason without the path."""
    _, failed = await send([Webhook(Secret("http://127.0.0.1:9/hook/s3cret"))], Alert(run="r", test=True))
    assert failed
    assert "s3cret" not in failed["webhook"]


async def test_a_command_gets_the_text_and_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its standard input; the environment is without what belongs to the broker and the webhook."""
    for name in ("ALPACA_SECRET_KEY", "APCA_API_KEY_ID", "PUNA_ALERT_WEBHOOK"):
        monkeypatch.setenv(name, "s3cret")
    told = tmp_path / "told"
    code = f"import os, sys; open({str(told)!r}, 'w').write(sys.stdin.read() + repr(dict(os.environ)))"
    assert await send([Command([sys.executable, "-c", code])], Alert(run="r", test=True)) == (("command",), {})
    text = told.read_text()
    assert text.startswith("Puna, r: this is a test")
    assert "s3cret" not in text


async def test_a_command_that_fails_or_is_not_there_has_failed() -> None:
    """Exit code 3; no such program."""
    failing = Command([sys.executable, "-c", "raise SystemExit(3)"])
    assert (await send([failing], Alert(run="r", test=True)))[1] == {"command": f"{sys.executable} ended with 3"}
    assert "no-such" in (await send([Command(["/no-such-program"])], Alert(run="r", test=True)))[1]["command"]


async def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its children, and the reason is the time."""
    monkeypatch.setattr("puna.engine.delivery.PATIENCE", 0.3)
    _, failed = await send([Command(["/bin/sh", "-c", "sleep 600 & sleep 600"])], Alert(run="r", test=True))
    assert failed == {"command": "no answer within 0.3 s"}


# --- a trading process


def free_run(lab: Any, strategy: Any, terms: AlertTerms, **chosen: Any) -> tuple[Any, Any]:
    """An exchange that runs free, and a process beside it."""
    market = lab.exchange(pacing=lab.Speed(30.0), wait_for=())
    trader = market.trader(strategy, clock=PacedClock(30.0), journal=lab.journal, alerts=terms, deadline=5.0, **chosen)
    return market, trader


async def running(trader: Any) -> asyncio.Task[Any]:
    """Its run, as soon as it trades."""
    run = asyncio.create_task(trader.run())
    await until(lambda: trader.switch.connected is not None or run.done())
    assert not run.done(), run.exception()
    return run


async def test_an_alarm_is_told_again_until_somebody_acknowledges_it(lab: Any, receiver: Receiver) -> None:
    """A halt in a running process: told, told again, acknowledged by a word beside the journal, told no more."""
    terms = AlertTerms([receiver.webhook()], "bot", repeat=0.2)
    _, trader = free_run(lab, lab.scripted(), terms)
    run = await running(trader)
    trader.gateway.halt("somebody else's order")
    await until(lambda: len(receiver.told) >= 3)
    (number,) = trader.gateway.blotter.alarms.standing
    assert [each["number"] for each in receiver.told[-1]["alarms"]] == [number]
    assert "somebody else's order" in receiver.told[-1]["text"]
    latch = Latch(lab.journal)
    seen = Seen(id="one", alarms=(number,), by="ann", reason="it was mine")
    latch.see(seen)
    await until(lambda: not latch.pending(seen))
    assert not trader.gateway.blotter.alarms.standing
    trader.stop()
    await run
    count = len(receiver.told)
    entries = [entry for _, entry in lab.entries()]
    assert [(each.by, each.reason) for each in entries if isinstance(each, Acknowledged)] == [("ann", "it was mine")]
    assert any(isinstance(each, Alerted) and each.to == ("webhook",) for each in entries)
    assert len(receiver.told) == count


async def test_a_receiver_that_hangs_holds_up_no_order(
    lab: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes in lockstep beside an alert that never gets its answer: every order leaves and ends in its own minute."""
    monkeypatch.setattr("puna.engine.delivery.PATIENCE", 1.0)
    receiver.hang = True
    market = lab.exchange()
    traders: list[Any] = []
    strategy = lab.scripted(
        m0=lambda s: traders[0].gateway.note("E910", "an alarm"),
        **{f"m{n}": lambda s: s.buy("AAPL", 1) for n in range(2, 40, 4)},
    )
    terms = AlertTerms([receiver.webhook()], "bot", repeat=0.1)
    trader = market.trader(strategy, minutes=45, journal=lab.journal, alerts=terms)
    traders.append(trader)
    record = await trader.run()
    assert len(receiver.told) >= 1
    assert len(record.fills) == 10
    minutes = [(row.ts_decision - lab.OPEN) // lab.MINUTE for row in record.orders]
    assert minutes == [n + 1 for n in range(2, 40, 4)]
    assert all(row.ts_final - row.ts_decision < lab.MINUTE for row in record.orders)


async def test_a_heartbeat_comes_while_the_process_lives_and_ends_with_it(lab: Any, receiver: Receiver) -> None:
    """Also while it is halted; one that does not arrive is noted once, and nothing else."""
    terms = AlertTerms(heartbeat=Heartbeat(Secret(f"{receiver.url}/ping/s3cret")), pulse=0.05)
    _, trader = free_run(lab, lab.scripted(), terms)
    run = await running(trader)
    trader.gateway.halt("for a reason")
    first = receiver.pings
    await until(lambda: receiver.pings > first + 3)
    receiver.status = 503
    await until(lambda: [each.code for each in trader.gateway.blotter.notes] == ["E523"])
    first = receiver.pings
    await until(lambda: receiver.pings > first + 3)
    assert len(trader.gateway.blotter.notes) == 1
    trader.stop()
    await run
    last = receiver.pings
    await asyncio.sleep(0.2)
    assert receiver.pings == last


async def test_what_failed_is_tried_again_and_noted_once(lab: Any, receiver: Receiver) -> None:
    """HTTP 500, then 200: the alarm arrives; the journal says once that it did not."""
    receiver.status = 500
    _, trader = free_run(lab, lab.scripted(), AlertTerms([receiver.webhook()], "bot"))
    run = await running(trader)
    trader.gateway.note("E910", "a strategy failed")
    await until(lambda: receiver.told)
    receiver.status = 200
    await until(lambda: trader.gateway.blotter.alarms.alerted)
    trader.stop()
    await run
    assert [each.code for each in trader.gateway.blotter.notes] == ["E910", "E523"]


async def test_a_stream_that_stays_down_is_an_alarm_that_stands_when_it_is_back(lab: Any, receiver: Receiver) -> None:
    """E521 after so many seconds, once, with what is down; also after it has ended."""
    terms = AlertTerms([receiver.webhook()], "bot", down=0.3)
    _, trader = free_run(lab, lab.scripted(), terms)
    run = await running(trader)
    closed, trader.gateway.gate, trader._gate = trader._gate, lambda: REDUCING, lambda: REDUCING
    await until(lambda: receiver.told)
    assert receiver.told[0]["alarms"][0]["code"] == "E521"
    trader._gate = trader.gateway.gate = closed
    await asyncio.sleep(1.2)
    assert [each.code for each in trader.gateway.blotter.alarms.standing.values()] == ["E521"]
    assert len(receiver.told) == 1
    trader.stop()
    await run


async def test_a_broker_that_is_gone_is_told_by_what_is_down(lab: Any, receiver: Receiver) -> None:
    """The exchange ends in the middle of the day: both streams are down, and the run goes on and can be stopped."""
    market, trader = free_run(lab, lab.scripted(), AlertTerms([receiver.webhook()], "bot", down=0.5))
    run = await running(trader)
    await asyncio.to_thread(market.thread.stop)
    await until(lambda: receiver.told)
    assert "only reductions can be sent: both streams are down" in receiver.told[0]["text"]
    assert receiver.told[0]["alarms"][0]["code"] == "E521"
    trader.stop()
    record = await run
    assert record.books is None


@pytest.mark.parametrize(
    ("data", "updates", "disagreement", "words"),
    [
        (False, True, "", "the market-data stream is down"),
        (True, False, "a half day", "the trading stream is down"),
        (True, True, "a half day", "a half day"),
        (True, True, "", "the books could not be compared since a stream came back"),
    ],
)
def test_what_restricts_is_named(data: bool, updates: bool, disagreement: str, words: str) -> None:
    """A stream before the clock, the clock before books."""
    assert restriction(data, updates, disagreement) == words


async def test_a_run_that_ends_by_an_error_says_so_before_it_is_gone(lab: Any, receiver: Receiver) -> None:
    """A failure in the middle of the day: told, and in the journal, where it stands at the next start."""
    _, trader = free_run(lab, lab.scripted(), AlertTerms([receiver.webhook()], "bot"))
    run = await running(trader)

    async def fail() -> None:
        raise PunaError("The keys are refused.", code="E201")

    trader.gateway.tasks.spawn(fail(), "failure")
    with pytest.raises(PunaError, match="keys"):
        await run
    assert receiver.told[-1]["alarms"][-1]["code"] == "E522"
    assert "E201 The keys are refused." in receiver.told[-1]["text"]
    (standing,) = alarms_of(records(lab.journal)).standing.values()
    assert standing.code == "E522"


async def test_a_start_that_fails_is_told_too(lab: Any, receiver: Receiver) -> None:
    """The journal is of another account: nothing is written into it, and somebody is told, once in a while."""
    await lab.exchange().trader(lab.scripted(), minutes=1, journal=lab.journal).run()
    before = lab.entries()
    with closing(SqliteStorage(lab.journal)) as storage:
        opening = next(entry for _, entry in before if type(entry).__name__ == "Opening")
        other = to_record(opening)
        storage.append([other._replace(body=other.body.replace(opening.account_id.encode(), b"another"))])
    terms = AlertTerms([receiver.webhook()], "bot")
    with pytest.raises(PunaError, match="another account"):
        await lab.exchange().trader(lab.scripted(), minutes=1, journal=lab.journal, alerts=terms).run()
    assert "E404" in receiver.told[0]["text"]
    with pytest.raises(PunaError, match="another account"):  # as when something starts it again and again
        await lab.exchange().trader(lab.scripted(), minutes=1, journal=lab.journal, alerts=terms).run()
    assert len(receiver.told) == 1
    again = AlertTerms([receiver.webhook()], "bot", repeat=0.0)
    with pytest.raises(PunaError, match="another account"):
        await lab.exchange().trader(lab.scripted(), minutes=1, journal=lab.journal, alerts=again).run()
    assert len(receiver.told) == 2
    assert not any(isinstance(entry, Alerted | Note) for _, entry in lab.entries())
    assert not alarms_of(records(lab.journal)).standing


async def test_a_halt_that_the_process_died_with_is_told_at_the_next_start(lab: Any, receiver: Receiver) -> None:
    """The start is refused (E520), and whoever is to be told hears of the halt; the next start does not repeat it."""
    market, latch = lab.exchange(), Latch(lab.journal)
    strategy = lab.scripted(m1=lambda s: latch.press(Wish(id="w", state=HALTED, reason="it hangs", by="watchdog")))
    await market.trader(strategy, minutes=4, journal=lab.journal).run()
    terms = AlertTerms([receiver.webhook()], "bot")
    for _ in range(2):
        with pytest.raises(PunaError) as refused:
            await market.trader(lab.scripted(), minutes=8, journal=lab.journal, alerts=terms).run()
        assert refused.value.code == "E520"
        assert len(receiver.told) == 1
    assert "it hangs" in receiver.told[0]["text"]


async def test_a_journal_that_cannot_be_written_is_told_once(lab: Any, receiver: Receiver) -> None:
    """There is no record to stand in it: the alarm has no number, and the halt is told all the same."""
    _, trader = free_run(lab, lab.scripted(), AlertTerms([receiver.webhook()], "bot"))
    run = await running(trader)
    trader.gateway.journal.failure = JournalError("The journal cannot be written.", code="E401")
    trader.gateway.note("E300", "anything")
    await until(lambda: receiver.told)
    assert receiver.told[0]["alarms"][0] | {"ts": 0} == {
        "number": 0, "ts": 0, "code": "E401", "text": "The journal cannot be written. Trading is halted.", "count": 1,
    }  # fmt: skip
    await until(lambda: trader.gateway.halted)
    trader.stop()
    await asyncio.gather(run, return_exceptions=True)
    assert len(receiver.told) == 1


async def test_alerts_know_what_an_earlier_process_has_told(lab: Any) -> None:
    """Only what is newer than the last record of telling is due."""
    told = Alerts(gateway(FAILED, Alerted(ts=0, up_to=1, to=("webhook",))), AlertTerms([Command(["true"])]), str)
    told._begin()
    assert not told._due(told._standing())
    fresh = Alerts(gateway(FAILED), AlertTerms([Command(["true"])]), str)
    fresh._begin()
    assert fresh._due(fresh._standing())


def gateway(*entries: Entry) -> Any:
    """As much of one as alarms are told from."""
    clock = DrivenClock(0)
    alpaca = AsyncAlpaca(Credentials.of("K", "S"), Endpoints.at("http://127.0.0.1:9"), clock=clock)
    made = Gateway(alpaca, Journal(MemoryStorage(), clock), MarketView(), RiskLimits(), clock)
    for number, entry in enumerate(entries, 1):
        made.blotter.apply(number, entry)
    return made


async def test_an_intraday_margin_deficit_is_an_alarm_once_and_nothing_is_opened(lab: Any) -> None:
    """Row 17: borrowed shares, then most of the equity is gone: E531 with both figures, and R126 or R113 refuses."""
    market = lab.exchange()
    market.place(OrderRequest(symbol="AAPL", side="buy", type="market", time_in_force="day", qty=Decimal(400)))
    traders: list[Any] = []
    strategy = lab.scripted(
        m2=lambda s: market.pay(Decimal(-40_000)),
        m3=lambda s: traders[0].gateway.means.look(),
        m5=lambda s: traders[0].gateway.means.look(),
        m7=lambda s: s.buy("AAPL", 1),
        m9=lambda s: s.buy("MSFT", 1),
    )
    strategy.symbols = ("AAPL", "MSFT")
    names = ("position", "gross", "net")
    wide: dict[str, Any] = {f"max_{name}_{unit}": Decimal(10**7) for name in names for unit in ("value", "percent")}
    trader = market.trader(strategy, minutes=12, journal=lab.journal, limits=RiskLimits(**wide))
    traders.append(trader)
    await trader.run()
    alarms = [each for each in trader.gateway.blotter.alarms.standing.values() if each.code == "E531"]
    assert [each.count for each in alarms] == [1]
    assert alarms[0].text.startswith("intraday margin deficit of ")
    assert {code for code, _ in strategy.refused} <= {"R126", "R113"}
    assert len(strategy.refused) == 2
