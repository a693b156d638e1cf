"""The fault script without a socket: what matches, when it strikes, and how a bad script is refused."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import ConfigError
from puna.exchange.faults import EVENT_ACTIONS, REQUEST_ACTIONS, SOCKET_ACTIONS, Fault, FaultScript, read_faults
from puna.seams import seeded_rng
from puna.wire.codec import parse_time

DAY = date(2012, 9, 19)


def _script(*faults: Fault, seed: int = 1) -> FaultScript:
    return FaultScript(faults, seeded_rng(seed))


def _strikes(script: FaultScript, what: str, count: int, now: int = 0) -> list[bool]:
    return [script.strike(what, now) is not None for _ in range(count)]


@given(nth=st.integers(1, 20), times=st.integers(0, 20))
def test_nth_and_times_choose_a_run_of_matches(nth: int, times: int) -> None:
    """A fault strikes from its nth match on, `times` matches in a row, and 0 means all that follow."""
    script = _script(Fault(on="POST /v2/orders", action="error_after", nth=nth, times=times))
    last = nth + times - 1 if times else 50
    assert _strikes(script, "POST /v2/orders", 50) == [nth <= number <= last for number in range(1, 51)]


def test_without_a_when_the_first_match_is_struck_once() -> None:
    """Nothing said about when means the first match, once."""
    assert _strikes(_script(Fault(on="* *", action="hang_after")), "GET /v2/clock", 3) == [True, False, False]


def test_at_waits_for_market_time() -> None:
    """A fault with a time strikes the first match at or after it."""
    script = _script(Fault(on="event:fill", action="lose", at=100))
    assert script.strike("event:fill", 99) is None
    assert script.strike("event:fill", 100) is not None
    assert script.strike("event:fill", 101) is None


def test_probability_comes_from_the_seed() -> None:
    """Faults by chance strike the same matches in every run of one seed, and others under another."""
    fault = Fault(on="GET *", action="error_before", probability=0.5)
    first, again, other = (_strikes(_script(fault, seed=seed), "GET /v2/account", 200) for seed in (1, 1, 2))
    assert first == again != other
    assert 60 < sum(first) < 140


@pytest.mark.parametrize(
    ("on", "what", "matches"),
    [
        ("POST /v2/orders", "POST /v2/orders", True),
        ("POST /v2/orders", "GET /v2/orders", False),
        ("POST /v2/orders", "POST /v2/orders/1", False),
        ("* /v2/orders*", "PATCH /v2/orders/1", True),
        ("GET *", "GET /stream", True),
        ("event:*", "event:fill", True),
        ("event:fill", "event:partial_fill", False),
        ("socket:data", "socket:trading", False),
    ],
)
def test_what_a_fault_is_about(on: str, what: str, matches: bool) -> None:
    """A method or a star, a path with wildcards; an event or any; one of the two sockets."""
    action = "lose" if ":" in on else "error_before"
    assert Fault(on=on, action=action).matches(what) is matches


def test_unprompted_faults_come_at_their_time_and_once() -> None:
    """Cutting or muting a socket at a time needs no frame to strike."""
    script = _script(
        Fault(on="socket:data", action="mute", at=200), Fault(on="socket:trading", action="drop_socket", at=100)
    )
    assert script.next_due() == 100
    assert [fault.action for fault in script.due(150)] == ["drop_socket"]
    assert script.next_due() == 200
    assert [fault.action for fault in script.due(10**9)] == ["mute"]
    assert script.next_due() is None
    assert script.due(10**9) == []


def test_what_struck_is_kept() -> None:
    """A test can ask the script what has happened."""
    fault = Fault(on="GET *", action="error_before", status=500)
    script = _script(fault)
    script.strike("GET /v2/account", 7)
    assert script.struck == [(7, "GET /v2/account", fault)]


def test_a_toml_script_gives_the_same_faults() -> None:
    """Each field of a [[fault]] table is the field of the Fault; times may be given in four ways."""
    text = """
# the first fill arrives twice
[[fault]]
on = "event:fill"
action = "duplicate"

[[fault]]
on = "POST /v2/orders"
action = "error_after"
nth = 3
times = 2
status = 502
headers = { "Retry-After" = "1" }

[[fault]]
on = "socket:data"
action = "drop_socket"
at = 11:00:00
seconds = 30
"""
    eleven = parse_time("2012-09-19T11:00:00-04:00")
    assert read_faults(text, day=DAY) == (
        Fault(on="event:fill", action="duplicate"),
        Fault(on="POST /v2/orders", action="error_after", nth=3, times=2, status=502, headers={"Retry-After": "1"}),
        Fault(on="socket:data", action="drop_socket", at=eleven, seconds=30.0),
    )
    for at in ("2012-09-19T11:00:00", "2012-09-19T11:00:00-04:00", '"2012-09-19T15:00:00Z"', str(eleven)):
        assert read_faults(text.replace("11:00:00", at), day=DAY)[2].at == eleven


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[[fault]]\non = "GET *"\naction = "error_before\n', 3, ""),
        ('\n\n[[fault]]\non = "GET *"\naction = "explode"\n', 3, "explode"),
        ('[[fault]]\non = "GET *"\naction = "hang_after"\n\n[[fault]]\non = "GET *"\naction = "lose"\n', 5, "lose"),
        ('[[fault]]\non = "GET *"\naction = "hang_after"\nnht = 2\n', 1, "nht"),
        ('[[fault]]\non = "GET *"\naction = "hang_after"\nnth = 0\n', 1, "counts from 1"),
        ('[[fault]]\non = "GET *"\naction = "hang_after"\nnth = 1\nprobability = 0.5\n', 1, "only one"),
        ('[[fault]]\non = "GET *"\naction = "delay"\nseconds = -1\n', 1, "negative"),
        ('[[fault]]\non = "GET *"\naction = "delay"\nseconds = nan\n', 1, "negative"),
        ('[[fault]]\non = "nowhere"\naction = "delay"\n', 1, "nowhere"),
        ('seed = 3\n[[fault]]\non = "GET *"\naction = "delay"\n', 1, "seed"),
        ('# nothing\n[fault]\non = "GET *"\naction = "delay"\n', 2, "fault"),
        ('[[fault]]\naction = "delay"\n', 1, "on"),
        ('[[fault]]\non = "GET *"\naction = "delay"\nat = "noon"\n', 1, "noon"),
    ],
)
def test_a_bad_script_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    """Whatever is wrong with a script: one typed error, exit code 3, and the line where to look."""
    with pytest.raises(ConfigError) as caught:
        read_faults(text, day=DAY)
    assert caught.value.code == "E032"
    assert f"line {line}" in caught.value.why
    assert says in caught.value.why


@given(st.text())
def test_any_text_is_a_script_or_a_config_error(text: str) -> None:
    """No text makes the reader fail otherwise."""
    try:
        read_faults(text, day=DAY)
    except ConfigError as error:
        assert error.code == "E032"  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize("on", ["socket:trading", "event:fill", "GET /v2/iex"])
def test_only_the_data_socket_has_ghosts(on: str) -> None:
    """Where connections are not counted, an old one cannot stand in the way."""
    with pytest.raises(ValueError, match="ghost"):
        Fault(on=on, action="ghost")


def test_every_action_says_what_it_does() -> None:
    """The tables that the documentation shows have no gaps, and events know no ghost."""
    for actions in (REQUEST_ACTIONS, SOCKET_ACTIONS, EVENT_ACTIONS):
        assert all(text and text[0].islower() for text in actions.values())
    assert "ghost" in SOCKET_ACTIONS
    assert "ghost" not in EVENT_ACTIONS
