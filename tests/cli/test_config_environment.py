"""Keys, addresses and secrets: where they may come from, what is refused, and that nothing of a secret shows."""

import copy
import json
import pickle
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from puna.config import Mode, Secret, load
from puna.config.environment import Environment, base_url, keys
from puna.errors import ConfigError, PunaError

PAPER = {"PUNA__ACCOUNT__MODE": "paper"}
PAIRS = [
    {"ALPACA_API_KEY": "PKTEST1", "ALPACA_SECRET_KEY": "hidden"},
    {"ALPACA_API_KEY": "PKTEST1", "ALPACA_API_SECRET": "hidden"},
    {"APCA_API_KEY_ID": "PKTEST1", "APCA_API_SECRET_KEY": "hidden"},
    {"ALPACA_API_KEY": " PKTEST1\n", "APCA_API_KEY_ID": "PKTEST1", "APCA_API_SECRET_KEY": "hidden"},
]


@pytest.mark.parametrize("environ", PAIRS)
def test_every_spelling_of_the_keys(environ: dict[str, str]) -> None:
    """The three documented pairs of names, and agreeing doubles."""
    config = load(environ=PAPER | environ)
    assert config.keys is not None
    assert (config.keys.key.reveal(), config.keys.secret.reveal()) == ("PKTEST1", "hidden")


def test_keys_from_files(tmp_path: Path) -> None:
    """NAME_FILE points to a file with the key, as orchestrators mount secrets; the final newline is no part of it."""
    (tmp_path / "key").write_text("PKTEST1\n")
    (tmp_path / "secret").write_text("hidden\n")
    environ = {
        "ALPACA_API_KEY_FILE": str(tmp_path / "key"),
        "ALPACA_SECRET_KEY_FILE": str(tmp_path / "secret"),
    }
    config = load(environ=PAPER | environ)
    assert config.keys is not None
    assert config.keys.secret == Secret("hidden")
    assert "ALPACA_API_KEY_FILE" in config.keys.origin


def test_keys_from_dotenv_yield_to_the_process(tmp_path: Path) -> None:
    """`.env` understands export, quotes and comments; what the process sets wins; other people's lines are skipped."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "# keys\n\nexport ALPACA_API_KEY='PKTEST1' # mine\nALPACA_SECRET_KEY = \"hid#den\"\n"
        "UNRELATED=1\nPUNA__SIM__SEED=21   # a number\n"
    )
    config = load(environ=PAPER, dotenv=dotenv)
    assert config.keys is not None
    assert (config.keys.key.reveal(), config.keys.secret.reveal()) == ("PKTEST1", "hid#den")
    assert config.origins["sim.seed"] == ".env:6 PUNA__SIM__SEED"
    assert load(environ={"PUNA__SIM__SEED": "22"}, dotenv=dotenv).sim.seed == 22
    assert load(dotenv=tmp_path / "none").keys is None


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"ALPACA_API_KEY": "PKTEST1"}, "ALPACA_SECRET_KEY is not"),
        ({"APCA_API_SECRET_KEY": "hidden"}, "ALPACA_API_KEY is not"),
        (PAIRS[0] | {"APCA_API_KEY_ID": "PKOTHER"}, "contradict each other"),
        ({"ALPACA_API_KEY_FILE": "/nowhere/key", "ALPACA_SECRET_KEY": "hidden"}, "cannot be read"),
        ({"ALPACA_API_KEY_FILE": "/dev/null", "ALPACA_SECRET_KEY": "hidden"}, "does not hold one line"),
    ],
)
def test_keys_that_cannot_be_used(environ: dict[str, str], told: str) -> None:
    """Half a pair, two different pairs, an unreadable or empty file: E008, and never the key itself."""
    with pytest.raises(ConfigError, match=told) as caught:
        load(environ=PAPER | environ)
    assert caught.value.code == "E008"
    assert "hidden" not in str(caught.value)
    assert "PKTEST1" not in str(caught.value)


def test_a_malformed_dotenv_names_its_line_and_not_its_text(tmp_path: Path) -> None:
    """A line that is no assignment may still be a key."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("ALPACA_API_KEY=PKTEST1\nhidden\n")
    with pytest.raises(ConfigError, match=r"\.env:2:1") as caught:
        load(dotenv=dotenv)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "url", "used"),
    [
        ("paper", "https://paper-api.alpaca.markets", "https://paper-api.alpaca.markets"),
        ("paper", "https://paper-api.alpaca.markets/v2/", "https://paper-api.alpaca.markets"),
        ("paper", "https://paper-api.alpaca.markets:443", "https://paper-api.alpaca.markets:443"),
        ("sim", "http://127.0.0.1:8790", "http://127.0.0.1:8790"),
        ("sim", "http://localhost:8790/", "http://localhost:8790"),
        ("sim", "http://[::1]:8790", "http://[::1]:8790"),
    ],
)
def test_an_address_that_agrees_with_the_mode(mode: str, url: str, used: str) -> None:
    """Paper's host for paper, loopback for sim; the version in the path is dropped."""
    for name in ("ALPACA_BASE_URL", "APCA_API_BASE_URL"):
        config = load(environ={"PUNA__ACCOUNT__MODE": mode, name: url})
        assert config.base_url == used


@pytest.mark.parametrize(
    ("mode", "url"),
    [
        ("sim", "https://paper-api.alpaca.markets"),
        ("paper", "http://127.0.0.1:8790"),
        ("paper", "http://paper-api.alpaca.markets"),
        ("paper", "https://paper-api.alpaca.markets:8443"),
        ("paper", "https://paper-api.alpaca.markets.evil.example"),
        ("paper", "https://paper-api.alpaca.markets@evil.example"),
        ("paper", "https://evil.example/paper-api.alpaca.markets"),
        ("paper", "https://evil.example#paper-api.alpaca.markets"),
        ("paper", "https://paper-api.alpaca.markets/v3"),
        ("paper", "paper-api.alpaca.markets"),
        ("paper", "https://"),
        ("paper", "https://paper-api.alpaca.markets:port"),
        ("sim", "http://127.0.0.1.evil.example"),
        ("sim", "http://localhost.evil.example"),
        ("sim", "http://[::1"),
        ("sim", "file:///etc/passwd"),
        ("sim", "http://10.0.0.1:8790"),
    ],
)
def test_an_address_that_does_not_agree_is_refused_with_the_reason(mode: str, url: str) -> None:
    """Hosts are compared as parsed, never by prefix; E009 names the variable."""
    with pytest.raises(ConfigError) as caught:
        load(environ={"PUNA__ACCOUNT__MODE": mode, "ALPACA_BASE_URL": url})
    assert caught.value.code == "E009"
    assert "ALPACA_BASE_URL" in caught.value.what
    assert caught.value.why


def test_two_addresses_that_contradict_each_other() -> None:
    """Nobody can tell which one was meant."""
    urls = {"ALPACA_BASE_URL": "http://127.0.0.1:1", "APCA_API_BASE_URL": "http://127.0.0.1:2"}
    with pytest.raises(ConfigError, match="contradict"):
        load(environ=urls)


def test_keys_in_an_address_do_not_show() -> None:
    """Somebody will put them there."""
    for url in ("https://PKTEST1:hidden@paper-api.alpaca.markets", "https://paper-api.alpaca.markets?secret=hidden"):
        with pytest.raises(ConfigError) as caught:
            load(environ=PAPER | {"ALPACA_BASE_URL": url})
        assert "hidden" not in str(caught.value)


def test_mode_follows_the_address_where_asked_to() -> None:
    """For questions to a broker: loopback means sim, nothing means paper; a mode that is set stays."""
    loopback = {"ALPACA_BASE_URL": "http://127.0.0.1:8790"}
    assert load(environ=loopback, follow_address=True).account.mode is Mode.SIM
    assert load(environ={}, follow_address=True).account.mode is Mode.PAPER
    assert load(environ={"PUNA__ACCOUNT__MODE": "sim"}, follow_address=True).account.mode is Mode.SIM
    assert load(environ={}).account.mode is Mode.SIM


def test_a_secret_does_not_leak() -> None:
    """Not by repr, str, format, %, JSON, pickle, copy, vars, or in the repr of what holds it."""
    secret = Secret("hidden")
    config = load(environ=PAPER | PAIRS[0])
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>10}", "%s" % secret, repr([secret]), repr(config)]  # noqa: UP031
    assert not any("hidden" in text or "PKTEST1" in text for text in shown)
    assert str(secret) == "***"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode, msgspec.to_builtins, vars):
        with pytest.raises(TypeError) as caught:
            leak(secret)
        assert "hidden" not in str(caught.value)
    with pytest.raises(TypeError):
        msgspec.json.encode(config)


def test_secrets_compare_by_what_they_hold() -> None:
    """Equality and truth work, so that code has no reason to reveal."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")


def test_only_our_variables_are_kept() -> None:
    """The environment of the process holds other people's secrets; they are not carried along."""
    environment = Environment({"PATH": "/bin", "AWS_SECRET": "x", "ALPACA_API_KEY": "k", "STAGE": "dev", "STAGEX": "y"})
    assert sorted(environment) == ["ALPACA_API_KEY", "STAGE"]
    assert "***" in repr(environment["ALPACA_API_KEY"])
    assert keys(Environment({})) is None
    assert base_url(Environment({"STAGE": "dev"}), Mode.SIM) is None


def test_every_error_of_the_environment_has_a_remedy() -> None:
    """What is refused tells what to do instead."""
    for environ in ({"STAGE": "live"}, PAPER | {"ALPACA_API_KEY": "x"}, {"ALPACA_BASE_URL": "nonsense"}):
        with pytest.raises(PunaError) as caught:
            load(environ=environ)
        assert caught.value.remedy
        assert caught.value.state


def test_capital_is_a_share_of_one(tmp_path: Path) -> None:
    """The one share in the file: 12.5 % is 0.125."""
    path = tmp_path / "bot.toml"
    path.write_text("[[strategy]]\nname = 'a'\nuse = 'a:B'\ncapital = '12.5%'\n")
    assert load(path).strategy[0].capital == Decimal("0.125")
