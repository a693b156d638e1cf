"""Limits under change, over the real door: tighter at once, looser after a person, invalid not at all, and for good."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from puna.bus.messages import AccountState
from puna.config import load
from puna.core.risk import TradingState
from puna.services.doors import Doors
from puna.services.place import Place
from puna.services.risk import Risk


class Heard:
    """A log that keeps what was warned of."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def warning(self, _: str, **fields: Any) -> None:
        self._rows.append(fields)


def risk_of(path: Path) -> Risk:
    place = Place(load(path, environ={}), "risk")
    place.prepare()
    made = Risk(place, lambda: load(path, environ={}))
    made._take(place.config)
    return made


async def test_tighter_applies_looser_waits_and_invalid_changes_nothing(bot: Callable[..., Path]) -> None:
    """One version at a time; a restart keeps what is in force; a confirmation of another version is refused."""
    path = bot(risk="max_open_orders = 20\nmax_order_value = 5000")
    text = path.read_text()
    risk = risk_of(path)
    first = risk.state.version
    async with Doors(risk) as doors, aiohttp.ClientSession() as session:

        async def reload(query: str = "") -> tuple[int, dict[str, Any]]:
            bearer = {"Authorization": f"Bearer {risk.place.token}"}
            async with session.post(f"{doors.address}/reload{query}", headers=bearer) as answer:
                return answer.status, await answer.json()

        async with session.post(f"{doors.address}/reload") as answer:
            assert answer.status == 401

        path.write_text(text.replace("max_open_orders = 20", "max_open_orders = 10"))
        status, said = await reload()
        assert (status, said["looser"], said["version"]) == (200, [], risk.state.version)
        assert risk.state.limits.max_open_orders == 10
        assert risk.state.version != first

        path.write_text(text.replace("max_open_orders = 20", "max_open_orders = 5").replace("5000", "9000"))
        status, said = await reload()
        assert (said["looser"], risk.state.limits.max_open_orders) == (["max_order_value"], 5)
        assert said["changes"] == ["max_order_value 5000 -> 9000"]
        assert risk.state.limits.max_order_value == 5000
        assert "looser limits wait" in risk.verdict().message
        assert (await reload("?confirm=000000000000"))[0] == 409

        before = risk.state.version
        path.write_text(text.replace("max_open_orders = 20", "max_open_orders = -1"))
        status, said = await reload()
        assert status == 422
        assert "max_open_orders" in said["error"]
        assert risk.state.version == before

        path.write_text(text.replace("max_open_orders = 20", "max_open_orders = 5").replace("5000", "9000"))
        waiting = (await reload())[1]["waiting"]
        said_by = list[Any]()
        risk.log = Heard(said_by)
        assert (await reload(f"?confirm={waiting}&by=ann%20b"))[0] == 200
        assert said_by == [{"limits": ["max_order_value 5000 -> 9000"], "version": waiting, "by": "ann b"}]
        assert risk.state.limits.max_order_value == 9000
        assert risk.state.version == waiting
    again = risk_of(path)
    assert again.state.version == waiting


async def test_a_day_s_loss_halts_for_good(bot: Callable[..., Path]) -> None:
    """Beyond services.halt_loss risk says halted; a restart says it still; a file that cannot be read is a halt."""
    path = bot(services='halt_loss = "5%"')
    risk = risk_of(path)

    def account(equity: str) -> AccountState:
        return AccountState(1_348_061_400_000_000_000, TradingState.ACTIVE, equity=equity)

    risk._judge(account("100000"))
    risk._judge(account("95000"))
    assert str(risk.state.state) == "active"
    risk._judge(account("94999.99"))
    assert str(risk.state.state) == "halted"
    assert "5000.01" in risk.state.reason
    assert risk._kept.peak == Decimal(100_000)
    assert str(risk_of(path).state.state) == "halted"
    (risk.place.folder / "risk.json").write_text("{")
    assert "cannot be read" in risk_of(path).state.reason
