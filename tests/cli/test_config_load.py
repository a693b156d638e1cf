"""One TOML, the environment and flags -> one Config: what is read, where it came from, and how each mistake is told."""

import re
import string
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.config import Config, Mode, load
from puna.config.amounts import read_amount, show_amount
from puna.config.fields import fields
from puna.config.model import RISK_TEXTS, Document
from puna.config.places import places
from puna.config.schema import schema
from puna.core.risk import RiskLimits
from puna.errors import ConfigError, LiveRefusedError, PunaError
from puna.exchange.options import DEFAULT_DAY

WHOLE = """\
# a whole configuration
[account]
mode = "paper"

[data]
feed = "sip"

[[strategy]]
name = "momentum"
use = "strategies/momentum.py:Momentum"
capital = "40%"
symbols = ["AAPL", "BTCUSD"]
params = { lookback = 20, nested = { depth = [1, 2] } }

[[strategy]]
name = "pairs"
use = "my.package:Pairs"
capital = "60 %"

[risk]
max_position = "10%"
max_open = 5_000
max_order_value = "1500.50 USD"
max_submits = 30
denied = ["TSLA"]

[sim]
seed = 11
day = 2010-05-06
cash = 50000.25
speed = 60
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "bot.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(tmp_path: Path, text: str | bytes, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), environ=environ)
    assert caught.value.code == "E007"
    assert caught.value.exit_code == 3
    assert caught.value.state == "Nothing was started."
    return caught.value.what


def test_a_whole_file(tmp_path: Path) -> None:
    """Every kind of value arrives typed: shares, percentages, money, dates, lists, tables, canonical symbols."""
    config = load(written(tmp_path, WHOLE))
    momentum, pairs = config.strategy
    assert config.account.mode is Mode.PAPER
    assert config.data.feed == "sip"
    assert (momentum.capital, pairs.capital) == (Decimal("0.4"), Decimal("0.6"))
    assert momentum.symbols == ("AAPL", "BTC/USD")
    assert momentum.params == {"lookback": 20, "nested": {"depth": [1, 2]}}
    assert config.risk.max_position_percent == Decimal(10)
    assert config.risk.max_open_value == Decimal(5000)
    assert config.risk.max_order_value == Decimal("1500.50")
    assert config.risk.denied == ("TSLA",)
    assert (config.sim.seed, config.sim.day, config.sim.cash) == (11, date(2010, 5, 6), Decimal("50000.25"))
    assert config.sim.speed == 60
    assert config.path is not None
    assert config.beside("strategies/momentum.py") == tmp_path / "strategies/momentum.py"


def test_defaults_need_no_file() -> None:
    """Without file and environment: mode sim, lockstep, the exchange's own default day, the core's limits."""
    config = load()
    assert config.account.mode is Mode.SIM
    assert config.sim.speed == "lockstep"
    assert config.sim.day == DEFAULT_DAY
    assert config.risk == RiskLimits()
    assert config.keys is None


def test_file_then_environment_then_flags(tmp_path: Path) -> None:
    """Each layer wins over the one before, and every value knows its origin."""
    config = load(
        written(tmp_path, WHOLE),
        environ={"PUNA__SIM__SEED": "12", "PUNA__RISK__MAX_SUBMITS": "31", "PUNA__RISK__MAX_POSITION": "5%"},
        flags={"sim.seed": 13, "sim.cash": "70_000 USD"},
    )
    assert (config.sim.seed, config.risk.max_submits, config.risk.max_position_percent) == (13, 31, Decimal(5))
    assert config.sim.cash == Decimal(70_000)
    assert config.origins["sim.seed"] == "flag"
    assert config.origins["risk.max_submits"] == "env PUNA__RISK__MAX_SUBMITS"
    assert config.origins["risk.max_position_percent"] == "env PUNA__RISK__MAX_POSITION"
    assert config.origins["sim.day"] == "bot.toml:29:1"
    assert config.origins["strategy[1].capital"] == "bot.toml:18:1"
    assert "sim.days" not in config.origins


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PUNA__SIM__DAY", "2009-03-09", date(2009, 3, 9)),
        ("PUNA__SIM__SYMBOLS", "AAPL, IBM", ("AAPL", "IBM")),
        ("PUNA__SIM__SYMBOLS", '["AAPL", "IBM"]', ("AAPL", "IBM")),
        ("PUNA__SIM__SPEED", "lockstep", "lockstep"),
        ("PUNA__SIM__SPEED", "2.5", 2.5),
        ("PUNA__SIM__FAULTS", "bad-day.toml", "bad-day.toml"),
        ("PUNA__RISK__ALLOW_SHORT", "true", True),
        ("PUNA__RISK__ALLOWED", "AAPL,ETHUSD", ("AAPL", "ETH/USD")),
        ("PUNA__SERVER__LISTEN", "127.0.0.1:0", "127.0.0.1:0"),
    ],
)
def test_text_from_the_environment_becomes_what_the_key_holds(name: str, text: str, value: object) -> None:
    """A variable is text; the key decides what it means."""
    config = load(environ={name: text})
    _, section, key = name.lower().split("__")
    assert getattr(getattr(config, section), key) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[risk]\nmax_possition = 1\n", "bot.toml:2:1  unknown key risk.max_possition - did you mean max_position?"),
        ("[risk]\n  max_submit = 3\n", "bot.toml:2:3  unknown key risk.max_submit - did you mean max_submits?"),
        ("[risk]\nseed = 1\n", "bot.toml:2:1  unknown key risk.seed - it belongs in [sim]"),
        ("[sim]\ncapital = '1%'\n", "bot.toml:2:1  unknown key sim.capital - it belongs in [[strategy]]"),
        ("[acount]\nmode = 'sim'\n", "bot.toml:1:2  unknown key acount - did you mean account?"),
        ("zzz = 1\n", "bot.toml:1:1  unknown key zzz - known here: account, data, strategy,"),
        ("sim.sed = 1\n", "bot.toml:1:1  unknown key sim.sed - did you mean seed?"),
        ("sim = { seed = 1, sed = 2 }\n", "bot.toml:1:19  unknown key sim.sed - did you mean seed?"),
        ("[account]\nkey = 'PK1'\n", "bot.toml:2:1  unknown key account.key - known here: mode"),
        ("[sim]\nseed = 'x'\n", "bot.toml:2:1  sim.seed: expected a whole number, got 'x'"),
        ("[sim]\nseed = 1.5\n", "bot.toml:2:1  sim.seed: expected a whole number, got 1.5"),
        ("[sim]\nseed = -1\n", "bot.toml:2:1  sim.seed: expected int >= 0, got -1"),
        ("[sim]\nday = 'soon'\n", "bot.toml:2:1  sim.day: expected a date such as 2012-09-19, got 'soon'"),
        ("[sim]\nspeed = 'fast'\n", "bot.toml:2:1  sim.speed: expected lockstep or a number, got 'fast'"),
        ("[sim]\nspeed = nan\n", "bot.toml:2:1  sim.speed: expected"),
        ("[sim]\nspeed = inf\n", "bot.toml:2:1  sim.speed: expected"),
        ("[sim]\ncash = -5\n", "bot.toml:2:1  sim.cash: expected an amount of money such as 500"),
        ("[sim]\ncash = inf\n", "bot.toml:2:1  sim.cash: expected an amount of money such as 500"),
        ("[sim]\ncash = '1e5'\n", "bot.toml:2:1  sim.cash: expected an amount of money such as 500"),
        ("[sim]\ncash = '10%'\n", "bot.toml:2:1  sim.cash: expected an amount of money such as 500"),
        ("[sim]\ncash = true\n", "bot.toml:2:1  sim.cash: expected an amount of money such as 500"),
        ("[risk]\nmax_position_percent = 10\n", "bot.toml:2:1  risk.max_position_percent: expected a percentage"),
        ("[risk]\nmax_position = '-1%'\n", "bot.toml:2:1  risk.max_position_percent: expected a percentage"),
        ("[risk]\nmax_submits = -5\n", "bot.toml:2:1  risk.max_submits must be a number that is not negative"),
        ("[risk]\nmax_quote_age_seconds = nan\n", "bot.toml:2:1  risk.max_quote_age_seconds must be a number"),
        ("[risk]\nallow_short = 1\n", "bot.toml:2:1  risk.allow_short: expected true or false, got 1"),
        ("[risk]\nallowed = 'AAPL'\n", "bot.toml:2:1  risk.allowed: expected a list of texts, got 'AAPL'"),
        ("[sim]\nsymbols = [\n  'AAPL',\n  3,\n]\n", "bot.toml:4:3  sim.symbols[1]: expected str, got int"),
        ("[sim]\nsymbols = ['AAPL', 'aapl']\n", "bot.toml:2:20  sim.symbols[1]: 'aapl' is not a symbol."),
        ("[risk]\nmax_open = 1\nmax_open_value = 2\n", "bot.toml:3:1  risk.max_open_value is set twice"),
        ("[account]\nmode = 'real'\n", "bot.toml:2:1  account.mode: expected sim | paper | live, got 'real'"),
        ("[data]\nfeed = 'best'\n", "bot.toml:2:1  data.feed: expected"),
        ("[server]\nlisten = 'nowhere'\n", "bot.toml:2:1  server.listen: 'nowhere' will not do."),
        ("sim = 3\n", "bot.toml:1:1  sim is a table, not 3"),
        ("[strategy]\nname = 'a'\n", "bot.toml:1:2  strategy is a table that may repeat: [[strategy]]"),
        ("[[strategy]]\nname = 'a'\n", "bot.toml:1:3  strategy[0].use is missing"),
        ("[[strategy]]\nname = 'A b'\nuse = 'a:B'\n", "bot.toml:2:1  strategy[0].name: 'A b' will not do."),
        (
            "[[strategy]]\nname='a'\nuse='a:B'\ncapital='60%'\n[[strategy]]\nname='b'\nuse='a:B'\ncapital='60%'\n",
            "bot.toml:8:1  the strategies' capital adds up to 120%, more than 100%",
        ),
        (
            "[[strategy]]\nname='a'\nuse='a:B'\ncapital='1%'\n[[strategy]]\nname='a'\nuse='a:B'\ncapital='1%'\n",
            "bot.toml:6:1  a second strategy named a",
        ),
        ("", "bot.toml:1:1  is empty"),
        ("  \n\n", "bot.toml:1:1  is empty"),
        ("[account\n", "bot.toml:1:9  not TOML:"),
        ("[account]\nmode = 'pap", "bot.toml:2:12  not TOML:"),
        ("[sim]\nsymbols = ['AAPL',", "bot.toml:2:19  not TOML:"),
        ("[sim]\nseed = 1\nseed = 2\n", "bot.toml:3:9  not TOML: cannot overwrite a value"),
        ("[sim]\rseed = 1\r", "bot.toml:1:6  not TOML:"),
        (b"[sim]\nseed = 1 # \xff\n", "bot.toml:2:12  is not UTF-8 here"),
        ("[sim]\nseed = 1\n".encode("utf-16"), "bot.toml:1:1  is UTF-16; save it as UTF-8"),
        ("# x\n" * 300_000, "is larger than a megabyte"),
    ],
)
def test_every_mistake_names_its_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    """File, line, column, key, what was expected, and the nearest name: never a traceback."""
    assert told in refusal(tmp_path, text)


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    """There is no line for a variable; its name is the place."""
    told = refusal(tmp_path, WHOLE, {"PUNA__RISK__MAX_SUBMIT": "3"})
    assert told == "env PUNA__RISK__MAX_SUBMIT  unknown key risk.max_submit - did you mean max_submits?"
    told = refusal(tmp_path, WHOLE, {"PUNA__SIM__SEED": "seven"})
    assert told == "env PUNA__SIM__SEED  sim.seed: expected a whole number, got 'seven'"
    assert "strategies and models are set in the file" in refusal(tmp_path, WHOLE, {"PUNA__STRATEGY__0__CAPITAL": "1%"})
    assert "env PUNA__SIM" in refusal(tmp_path, WHOLE, {"PUNA__SIM": "3"})


def test_a_missing_file(tmp_path: Path) -> None:
    """A path that leads nowhere is a config error, not a traceback; so is a folder."""
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path)


@pytest.mark.parametrize("text", [WHOLE.replace("\n", "\r\n"), "\ufeff" + WHOLE])
def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing(tmp_path: Path, text: str) -> None:
    """Editors add them; values and places stay the same."""
    plain, odd = load(written(tmp_path, WHOLE)), load(written(tmp_path, text))
    assert odd == plain


def test_each_prefix_of_a_file_is_a_config_or_a_config_error(tmp_path: Path) -> None:
    """However short a half-written file was cut, nothing but the typed error comes out, and it has a line."""
    for length in range(len(WHOLE)):
        try:
            load(written(tmp_path, WHOLE[:length]))
        except ConfigError as error:
            assert "bot.toml:" in error.what  # noqa: PT017 - most prefixes are fine, some are not


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_a_typed_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """No file makes anything but a Config or one of our own errors."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(raw)
    try:
        assert isinstance(load(path), Config)
    except PunaError as error:
        assert error.exit_code in (3, 8)  # noqa: PT017 - either outcome is right


def test_live_is_refused_however_it_is_asked_for(tmp_path: Path) -> None:
    """In the file, by variable, by STAGE, by ALPACA_PAPER_TRADE, by address: exit code 8 each time."""
    live = written(tmp_path, '[account]\nmode = "live"\n')
    asked: list[tuple[Path | None, dict[str, str]]] = [
        (live, {}),
        (None, {"PUNA__ACCOUNT__MODE": "live"}),
        (None, {"STAGE": "live"}),
        (None, {"STAGE": " LIVE "}),
        (None, {"ALPACA_PAPER_TRADE": "False"}),
        (None, {"ALPACA_BASE_URL": "https://api.alpaca.markets"}),
        (None, {"APCA_API_BASE_URL": "https://API.alpaca.markets/v2"}),
        (None, {"PUNA__ACCOUNT__MODE": "paper", "ALPACA_BASE_URL": "https://api.alpaca.markets:443/"}),
    ]
    for path, environ in asked:
        with pytest.raises(LiveRefusedError) as caught:
            load(path, environ=environ)
        assert (caught.value.exit_code, caught.value.code) == (8, "E020")


def test_ceilings_of_live_come_before_any_permit(tmp_path: Path) -> None:
    """What is above one is named with file, line and ceiling; below them live is refused for what it is."""
    path = written(tmp_path, '[account]\nmode = "live"\n[risk]\nmax_order_value = 2000000\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.what == (
        "bot.toml:4:1  risk.max_order_value is 2000000, and a live account takes at most 1000000"
    )
    assert (caught.value.exit_code, caught.value.code) == (3, "E007")
    with pytest.raises(ConfigError, match="env PUNA__RISK__MAX_SUBMITS"):
        load(environ={"PUNA__ACCOUNT__MODE": "live", "PUNA__RISK__MAX_SUBMITS": "201"})
    with pytest.raises(LiveRefusedError):
        load(environ={"PUNA__ACCOUNT__MODE": "live", "PUNA__RISK__MAX_SUBMITS": "200"})
    assert load(environ={"PUNA__RISK__MAX_SUBMITS": "201"}).risk.max_submits == 201


_NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=6)
_KEYS = _NAMES | st.sampled_from(['"with space"', '"a.b"', "'lit'", '"q\\"q"', '"#[x]="'])
_LEAVES = st.sampled_from(
    [
        *("1", "1.5", "true", "2010-05-06", "2010-05-06 09:30:00"),
        *('"text"', "'a # b'", '"""\n[x]\ny = "z" \\" """', "'''\n[[q]]'''", '"{"'),
        *("[]", "{}", "[1, 2]", '[\n  "a", # ] \n  [1, {k = 2}],\n]', "{ a = 1, b.c = [3] }"),
    ]
)


@given(st.data())
def test_places_know_every_key_of_any_toml(data: st.DataObject) -> None:
    """Each key that tomllib reads has a place, and the key (a dotted one from its start) stands there."""
    lines = []
    for name in data.draw(st.lists(_KEYS, unique=True, min_size=1, max_size=4)):
        header = data.draw(st.sampled_from(["[{}]", "[ {} ]", "[[{}]]"])).format(name)
        for _ in range(data.draw(st.integers(1, 2)) if header.startswith("[[") else 1):
            lines.append(header)
            keys = data.draw(st.lists(_KEYS, unique=True, max_size=3))
            lines += [f"{key} {data.draw(st.sampled_from(['=', ' =  ']))} {data.draw(_LEAVES)} # c" for key in keys]
    text = "\n".join(lines)
    try:
        wanted = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = places(text)
    rows = text.split("\n")
    for path in _paths(wanted):
        line, column = found[path]
        if isinstance(path[-1], str) and path[-1].isalpha():
            assert re.match(rf"([\w\"'#\[\]=. ]+\.)?['\"]?{path[-1]}\b", rows[line - 1][column - 1 :])


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    return ([path] if path else []) + [found for key, inner in below for found in _paths(inner, (*path, key))]


@given(st.decimals(0, 9999, places=4), st.sampled_from(["share", "percent", "money", "number"]))
def test_what_is_shown_reads_back(value: Decimal, unit: str) -> None:
    """`config show` prints amounts in the form that a file accepts."""
    assert read_amount(show_amount(value, unit), unit) == value


def test_every_key_has_a_sentence_and_every_risk_limit_is_known() -> None:
    """`config explain` has nothing to be silent about, and no sentence outlives its limit."""
    assert [found.key for found in fields(Document) if not found.description] == []
    assert [found.key for found in fields(Document) if not found.type_text] == []
    assert list(RISK_TEXTS) == list(RiskLimits.__struct_fields__)


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """Properties of the schema are the keys of the document, short forms included, and defaults are in their form."""
    made = schema()
    risk = made["$defs"]["RiskLimits"]["properties"]
    assert set(RiskLimits.__struct_fields__) <= set(risk)
    assert risk["max_position_percent"]["default"] == "60%"
    assert {"max_position", "max_order", "max_open"} <= set(risk)
    assert made["$defs"]["StrategySection"]["properties"]["capital"]["default"] == "100%"
    assert made["$defs"]["AccountSection"]["properties"].keys() == {"mode", "activities_feed"}
    assert b"StrategySection" in msgspec.json.encode(made)
