"""`puna config`: every value with its origin, the schema, what a key means; secrets never show."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from puna.cli.config import config

TOML = '[sim]\nseed = 11\n[risk]\nmax_position = "10%"\n'


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Ask":
    monkeypatch.chdir(tmp_path)
    return Ask()


class Ask:
    """Runs `puna config` with a clean environment."""

    def __call__(self, *words: str, **environ: str) -> Result:
        names = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "ALPACA_BASE_URL", "PUNA__SIM__SEED", "STAGE")
        return CliRunner().invoke(config, words, env=dict.fromkeys(names) | environ)


def test_show_tells_every_value_and_its_origin(ask: "Ask") -> None:
    """File with line and column, variable, default: one line for each key, and where to go next."""
    Path("bot.toml").write_text(TOML)
    made = ask("show", "-c", "bot.toml", PUNA__SIM__SEED="12")
    rows = {line.split()[0]: line.split()[1:] for line in made.stdout.splitlines()}
    assert rows["sim.seed"] == ["12", "env", "PUNA__SIM__SEED"]
    assert rows["risk.max_position_percent"] == ["10%", "bot.toml:4:1"]
    assert rows["risk.max_submits"] == ["100", "default"]
    assert rows["server.listen"] == ["127.0.0.1:8700", "default"]
    assert made.stderr == "next: puna config explain KEY\n"


def test_show_finds_the_file_in_the_folder(ask: "Ask") -> None:
    """puna.toml needs no option."""
    Path("puna.toml").write_text(TOML)
    assert json.loads(ask("show", "--json").stdout)["sim.seed"] == {"value": "11", "origin": "puna.toml:2:1"}


def test_show_masks_secrets(ask: "Ask") -> None:
    """The keys print as *** with the names of their variables, whatever the format."""
    environ = {"ALPACA_API_KEY": "PKTEST1", "ALPACA_SECRET_KEY": "hidden", "PUNA__ACCOUNT__MODE": "paper"}
    for words in (("show",), ("show", "--json")):
        made = ask(*words, **environ)
        assert "***" in made.stdout
        assert "env ALPACA_API_KEY, env ALPACA_SECRET_KEY" in made.stdout
        assert "hidden" not in made.output
        assert "PKTEST1" not in made.output


def test_strategies_are_shown_by_number(ask: "Ask") -> None:
    """A repeated table has one group of lines for each."""
    Path("puna.toml").write_text('[[strategy]]\nname = "a"\nuse = "a:B"\ncapital = "12.5%"\nparams = { n = 3 }\n')
    rows = json.loads(ask("show", "--json").stdout)
    assert rows["strategy[0].capital"] == {"value": "12.5%", "origin": "puna.toml:4:1"}
    assert rows["strategy[0].name"]["value"] == "a"


def test_schema_is_a_schema(ask: "Ask") -> None:
    """JSON that an editor can use; no default values of secrets, because there are no secrets in a file."""
    made = json.loads(ask("schema").stdout)
    assert made["$schema"].startswith("https://json-schema.org/")
    assert "key" not in made["$defs"]["AccountSection"]["properties"]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("sim.seed", "variable PUNA__SIM__SEED"),
        ("seed", "variable PUNA__SIM__SEED"),
        ("risk.max_position", "risk.max_position_percent"),
        ("max_position", "a percentage such as"),
        ("strategy[0].capital", "for example '40%'"),
        ("risk", "risk.allow_short"),
        ("account.mode", "sim | paper | live; default sim"),
    ],
)
def test_explain_finds_a_key_however_it_is_named(ask: "Ask", key: str, told: str) -> None:
    """In full, by its last part, in its short form, as a whole section."""
    made = ask("explain", key)
    assert made.exit_code == 0
    assert told in made.stdout


def test_explain_without_a_key_lists_all(ask: "Ask") -> None:
    """One line for each key; as JSON with type, default and variable."""
    rows = json.loads(ask("explain", "--json").stdout)
    lines = ask("explain").stdout.splitlines()
    assert len(lines) == len(rows) + 1
    assert {"key", "type", "default", "required", "description", "examples", "variable"} == set(rows[0])


@pytest.mark.parametrize("key", ["risk.max_pos", "risk.maxpos"])
def test_explain_the_beginning_of_a_key(ask: "Ask", key: str) -> None:
    """A key that begins so is meant rather than one that looks like it."""
    made = ask("explain", key)
    assert "did you mean risk.max_position_value?" in str(made.exception)


def test_explain_an_unknown_key(ask: "Ask") -> None:
    """The nearest name is offered."""
    made = ask("explain", "risk.max_submitz")
    assert "did you mean risk.max_submits?" in str(made.exception)
