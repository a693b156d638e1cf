"""The parts of the services without processes: health, metrics, limits under change, logs, follower, events, doors."""

import io
import json
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from puna.bus.keys import Role
from puna.bus.sockets import Curve
from puna.config import Keys, Secret, load
from puna.core.risk import RiskLimits
from puna.core.risk_change import change_of, limits_version
from puna.services.doors import Doors
from puna.services.health import Fact, judge
from puna.services.logs import capped, configure, redacted
from puna.services.metrics import CATALOGUE, PREFIX, Metrics, catalogue_of
from puna.services.place import PEERS, Place
from puna.services.serve import Component

FACTS = st.builds(Fact, st.just("x"), st.booleans(), st.just("why"), st.booleans(), st.booleans())


@given(st.lists(FACTS, max_size=6))
def test_health_is_what_the_facts_say(facts: list[Fact]) -> None:
    """Unhealthy by a fatal fact alone, degraded by any, ready unless a fact that matters for it fails."""
    failing = [fact for fact in facts if not fact.holds]
    verdict = judge(facts)
    assert (verdict.status == "healthy") == (not failing)
    assert (verdict.status == "unhealthy") == any(fact.fatal for fact in failing)
    assert verdict.ready == (not any(fact.ready or fact.fatal for fact in failing))
    assert verdict.http_status == (503 if verdict.status == "unhealthy" else 200)
    body = verdict.health("x", {}, 1_700_000_000_000_000_000)
    assert list(body) == ["status", "component", "message", "metrics", "timestamp"]
    assert body["timestamp"] == "2023-11-14T22:13:20.000Z"


def test_the_catalogue_is_what_a_scrape_gives() -> None:
    """Every metric of a component is in its scrape, with help and type; what it does not know is an error."""
    for component in PEERS.keys() - {"watcher"}:
        numbers: dict[str, Any] = {
            metric.name: {"a": 1.0} if metric.label else 1.0
            for metric in catalogue_of(component)
            if metric.kind != "histogram"
        }
        families = {each.name: each for each in text_string_to_metric_families(_scrape(component, numbers))}
        for metric in catalogue_of(component):
            family = families[PREFIX + metric.name]
            assert family.type == metric.kind
            assert family.documentation == metric.text
    with pytest.raises(KeyError):
        _scrape("risk", {"nonsense": 1.0})
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def _scrape(component: str, numbers: dict[str, Any]) -> str:
    return Metrics(component, lambda: numbers).text().decode()


LIMITS = st.builds(
    RiskLimits,
    max_order_value=st.integers(0, 9).map(Decimal),
    max_open_orders=st.integers(0, 9),
    buying_power_buffer=st.integers(0, 9).map(Decimal),
    allow_short=st.booleans(),
    allowed=st.one_of(st.none(), st.lists(st.sampled_from(["A", "B", "C"]), unique=True).map(tuple)),
    denied=st.lists(st.sampled_from(["A", "B", "C"]), unique=True).map(tuple),
    submit_window_seconds=st.integers(1, 9).map(float),
)


@given(LIMITS, LIMITS)
def test_only_what_is_tighter_applies_at_once(old: RiskLimits, new: RiskLimits) -> None:
    """Each changed limit is either tighter, and in force, or looser, and still the old one; nothing else changes."""
    change = change_of(old, new)
    changed = {name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name)}
    assert set(change.tighter) | set(change.looser) == changed
    assert not set(change.tighter) & set(change.looser)
    for name in old.__struct_fields__:
        expected = new if name in change.tighter else old
        assert getattr(change.now, name) == getattr(expected, name)
    assert change.now.max_order_value <= old.max_order_value
    assert change.now.max_open_orders <= old.max_open_orders
    assert change.now.buying_power_buffer >= old.buying_power_buffer
    assert not (change.now.allow_short and not old.allow_short)
    assert set(change.now.denied) >= set(old.denied)
    assert change_of(change.now, new).tighter == ()
    assert (limits_version(old) == limits_version(new)) == (old == new)


def test_secrets_are_redacted_by_type_and_fields_are_capped() -> None:
    """A secret at any depth becomes ***, whatever its field is called; long texts are cut and escaped."""
    secret = Secret("canary-4711")
    event = {
        "event": "x" * 5000,
        "a": secret,
        "b": {"c": [secret, Keys(secret, secret, "env")]},
        "curve": Curve(b"p", b"canary-4711"),
        "text": "line\nbreak \x1b[31m",
    }
    line = json.dumps(capped(None, "info", redacted(None, "info", event)))
    assert "canary" not in line
    assert line.count("***") == 4
    assert len(line) < 2400
    assert "\n" not in line
    assert "\x1b" not in line


def test_logs_are_json_lines_of_every_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Structlog and the standard logging write one JSON object a line, with the component in it."""
    sink = io.StringIO()
    monkeypatch.setattr("sys.stderr", sink)
    before = logging.getLogger().handlers[:]
    try:
        configure("risk")
        structlog.get_logger().info("hello", client_order_id="puna-1-a-1", key=Secret("canary-4711"))
        logging.getLogger("aiohttp").warning("from a %s", "library")
        logging.getLogger("aiohttp").info("not this")
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        logging.getLogger().handlers[:] = before
    lines = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["hello", "from a library"]
    assert {line["component"] for line in lines} == {"risk"}
    assert lines[0]["client_order_id"] == "puna-1-a-1"
    assert "canary" not in sink.getvalue()


class Idle(Component):
    """A component that does nothing, healthy or not as a test says."""

    broken = False

    async def work(self) -> None:
        await self.stopping.wait()

    def facts(self) -> list[Fact]:
        return [Fact("work", not self.broken, "it is broken", fatal=True)]

    def numbers(self) -> dict[str, Any]:
        return {}


def place(bot: Callable[..., Path], **texts: str) -> Place:
    made = Place(load(bot(**texts), environ={}), "risk")
    made.prepare()
    return made


async def test_doors_tell_the_truth_and_keep_out_who_has_no_business(bot: Callable[..., Path]) -> None:
    """Health, readiness, liveness and metrics on loopback; no foreign hosts or origins, no effects without a token."""
    component = Idle(place(bot))
    async with Doors(component) as doors, aiohttp.ClientSession() as session:

        async def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
            async with session.request(method, doors.address + path, headers=headers) as answer:
                return answer.status, await answer.text()

        status, body = await ask("/health")
        assert (status, json.loads(body)["status"]) == (200, "healthy")
        status, body = await ask("/ready")
        assert (status, json.loads(body)["ready"], json.loads(body)["component"]) == (200, True, "risk")
        assert await ask("/live") == (200, "alive")
        assert (await ask("/metrics"))[1].count("# HELP") >= 5
        component.broken = True
        assert (await ask("/health"))[0] == 503
        assert (await ask("/ready"))[0] == 503
        assert (await ask("/live"))[0] == 200
        assert (await ask("/health", Host="evil.example"))[0] == 403
        assert (await ask("/health", Origin="https://evil.example"))[0] == 403
        assert (await ask("/nothing"))[0] == 404
        assert (await ask("/health", "POST"))[0] == 401
        assert (await ask("/health", "POST", Authorization="Bearer wrong"))[0] == 401
        token = component.place.token
        assert (await ask("/health", "POST", Authorization=f"Bearer {token}"))[0] == 405


async def test_outside_dev_every_door_but_live_needs_the_token(bot: Callable[..., Path]) -> None:
    """Profile production: 401 without the token even on loopback, 200 with it; /live is open."""
    component = Idle(place(bot, services='profile = "production"'))
    async with Doors(component) as doors, aiohttp.ClientSession() as session:
        for path, expected in (("/health", 401), ("/ready", 401), ("/metrics", 401), ("/live", 200)):
            async with session.get(doors.address + path) as answer:
                assert answer.status == expected, path
        bearer = {"Authorization": f"Bearer {component.place.token}"}
        async with session.get(doors.address + "/health", headers=bearer) as answer:
            assert answer.status == 200


def test_a_place_makes_keys_and_token_once(bot: Callable[..., Path]) -> None:
    """Folder 0700, token 0600 of 192 bits, keys with the roles of each peer; a second time changes nothing."""
    made = place(bot)
    token, peers = made.token, made.keys.peers()
    assert len(token) == 48
    assert made.folder.stat().st_mode & 0o777 == 0o700
    assert (made.folder / "token").stat().st_mode & 0o777 == 0o600
    assert peers["signals"].roles == (Role.WATCH, Role.SIGNALS, Role.INTENTS)
    assert Role.RISK not in peers["signals"].roles
    made.prepare()
    assert (made.token, made.keys.peers()) == (token, peers)


def test_a_version_changes_with_what_counts(bot: Callable[..., Path]) -> None:
    """Two processes of one configuration have one version; another limit is another version."""
    path = bot()
    first = place(lambda: path).version
    assert place(lambda: path).version == first
    path.write_text(path.read_text().replace("[services]", "max_open_orders = 3\n[services]"))
    assert place(lambda: path).version != first
    assert msgspec.json.encode(first)
