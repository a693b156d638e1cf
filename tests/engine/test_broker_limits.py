"""What the broker allows at all: an account that it has blocked, and a quota that is spent when a run begins."""

from typing import Any

import pytest

from puna.errors import PunaError

WORDS = {
    "known": '{"code": 40310000, "message": "account is not allowed to trade"}',
    "unknown": '{"code": 40310000, "message": "this account cannot do that today"}',
}


async def test_a_blocked_account_halts_at_once(lab: Any) -> None:
    """BRK-19: the first refusal that says so; nothing is sent after it, and the account need not be read first."""
    blocked = lab.fault(on="POST /v2/orders", action="error_before", status=403, body=WORDS["known"])
    market = lab.exchange(faults=(blocked,))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1), m2=lambda s: s.buy("AAPL", 2))
    trader = market.trader(strategy, minutes=4)
    record = await trader.run()
    assert "not allowed to trade" in trader.gateway.halted
    assert [code for code, _ in strategy.refused] == ["R101"]
    assert record.outcome == "halted"
    assert market.orders() == []


async def test_a_refusal_that_nobody_knows_lets_the_account_be_read(lab: Any) -> None:
    """Whether the broker has blocked it stands there: read at once, not after the next fill."""
    refused = lab.fault(on="POST /v2/orders", action="error_before", status=403, nth=1, body=WORDS["unknown"])
    market = lab.exchange(faults=(refused,))

    def block(strategy: Any) -> None:
        market.thread.call(_blocked)
        strategy.buy("AAPL", 1)

    strategy = lab.scripted(m1=block, m3=lambda s: s.buy("AAPL", 2))
    trader = market.trader(strategy, minutes=5)
    await trader.run()
    assert "blocked or suspended" in trader.gateway.halted
    assert [code for code, _ in strategy.refused] == ["R101"]


def _blocked(server: Any) -> None:
    options = server.venue.options
    object.__setattr__(options, "account_blocked", True)


async def test_a_start_waits_while_the_broker_wants_it_to(lab: Any) -> None:
    """PRO-06: more 429 in a row than a request is repeated: told each time, and then it trades."""
    spent = lab.fault(on="GET /v2/account", action="error_before", status=429, times=12)
    market = lab.exchange(faults=(spent,))
    strategy, said = lab.scripted(m1=lambda s: s.buy("AAPL", 1)), list[str]()
    trader = market.trader(strategy, minutes=4)
    trader.say = lambda _, text: said.append(text)
    record = await trader.run()
    assert len([text for text in said if "429" in text]) >= 2
    assert len(strategy.fills) == 1
    assert record.state == "active"
    assert record.books.equal


async def test_what_is_no_quota_still_ends_the_start(lab: Any) -> None:
    """Keys that are refused are no reason to wait."""
    refused = lab.fault(on="GET /v2/account", action="error_before", status=401)
    market = lab.exchange(faults=(refused,))
    with pytest.raises(PunaError) as caught:
        await market.trader(lab.scripted(), minutes=4).run()
    assert caught.value.exit_code != 0
