"""What the environment says: keys, the broker's address, the mode; from process variables, `*_FILE` and a `.env` file.

Keys come from here only, never from the TOML. Live is refused however it is spelled (requirements F): a permit for live
does not exist.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from puna.config.secret import Secret
from puna.errors import ConfigError, LiveRefusedError

__all__ = [
    "LIVE_HOST",
    "PAPER_HOST",
    "PREFIX",
    "Environment",
    "Keys",
    "Mode",
    "base_url",
    "heartbeat",
    "implied_mode",
    "is_loopback",
    "keys",
    "refuse_live",
    "webhook",
]

PREFIX = "PUNA__"
LIVE_HOST, PAPER_HOST = "api.alpaca.markets", "paper-api.alpaca.markets"

_KEY_NAMES = ("ALPACA_API_KEY", "APCA_API_KEY_ID")
_SECRET_NAMES = ("ALPACA_SECRET_KEY", "ALPACA_API_SECRET", "APCA_API_SECRET_KEY")
_URL_NAMES = ("ALPACA_BASE_URL", "APCA_API_BASE_URL")
_WEBHOOK_NAME, _HEARTBEAT_NAME = "PUNA_ALERT_WEBHOOK", "PUNA_ALERT_HEARTBEAT"
_OURS = re.compile(rf"{PREFIX}|{_WEBHOOK_NAME}|{_HEARTBEAT_NAME}|ALPACA_|APCA_|STAGE$")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*)\1\s*(?:#.*)?""")
_MAX_FILE = 64 * 1024


class Mode(StrEnum):
    """Where orders go: the simulated exchange, Alpaca's paper account, or the live account (which needs a permit)."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's value, and where it was set: `env NAME` or `.env:3 NAME`."""

    value: str
    origin: str

    def __repr__(self) -> str:  # it may hold a key
        return f"Variable(***, {self.origin!r})"


@dataclass(frozen=True, slots=True)
class Keys:
    """An API key pair and where it came from."""

    key: Secret
    secret: Secret
    origin: str


class Environment(Mapping[str, Variable]):
    """The variables that concern Puna: the process's, and under them those of `.env`."""

    def __init__(self, variables: Mapping[str, str], *, dotenv: Path | None = None) -> None:
        self._variables = dict(_read_dotenv(dotenv)) if dotenv else {}
        for name, value in variables.items():
            if _OURS.match(name):
                self._variables[name] = Variable(value, f"env {name}")

    def __getitem__(self, name: str) -> Variable:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def refuse_live(mode: str, origin: str, environment: Mapping[str, Variable]) -> None:
    """Raises LiveRefusedError when the mode, STAGE or ALPACA_PAPER_TRADE asks for live."""
    if mode == Mode.LIVE:
        raise _live(f"account.mode is live ({origin})")
    stage = environment.get("STAGE")
    if stage and stage.value.strip().lower() in ("live", "prod", "production"):
        raise _live(f"{stage.origin} is {stage.value.strip()!r}")
    paper = environment.get("ALPACA_PAPER_TRADE")
    if paper and paper.value.strip().lower() in ("false", "0", "no", "off"):
        raise _live(f"{paper.origin} is {paper.value.strip()!r}")


def keys(environment: Mapping[str, Variable]) -> Keys | None:
    """The key pair, or None when neither half is set.

    Raises:
        ConfigError: E008, half a pair, two different ones, or a key file that cannot be read.
    """
    key, secret = _one(environment, _KEY_NAMES), _one(environment, _SECRET_NAMES)
    if key is None and secret is None:
        return None
    if key is None or secret is None:
        here, missing = (key, _SECRET_NAMES[0]) if key else (secret, _KEY_NAMES[0])
        raise _bad_keys(f"Half a key pair: {here.origin if here else ''} is set, {missing} is not.")
    return Keys(Secret(key.value), Secret(secret.value), f"{key.origin}, {secret.origin}")


def base_url(environment: Mapping[str, Variable], mode: Mode) -> Variable | None:
    """ALPACA_BASE_URL or APCA_API_BASE_URL when it agrees with `mode`, without `/v2` and trailing slash.

    Raises:
        LiveRefusedError: it names the live host.
        ConfigError: E009, it is no address, or one that does not agree with the mode.
    """
    found = _one(environment, _URL_NAMES)
    if found is None:
        return None
    url = _split(found)
    if url.hostname == LIVE_HOST:
        raise _live(f"{found.origin} names the live host {LIVE_HOST}")
    agrees = is_loopback(url) if mode is Mode.SIM else url.hostname == PAPER_HOST and url.scheme == "https"
    if not agrees or (mode is Mode.PAPER and url.port not in (None, 443)):
        wanted = "a loopback address such as http://127.0.0.1:8790" if mode is Mode.SIM else f"https://{PAPER_HOST}"
        raise _bad_url(found, f"mode {mode} talks to {wanted}, and {url.hostname} is another place")
    return Variable(f"{url.scheme}://{url.netloc}", found.origin)


def webhook(environment: Mapping[str, Variable]) -> Secret | None:
    """PUNA_ALERT_WEBHOOK (or its *_FILE): whoever knows such an address can post there, so it is kept like a key.

    Raises:
        ConfigError: E008, it is no address that alerts may be posted to.
    """
    return _address(environment, _WEBHOOK_NAME)


def heartbeat(environment: Mapping[str, Variable]) -> Secret | None:
    """PUNA_ALERT_HEARTBEAT (or its *_FILE), in the same way."""
    return _address(environment, _HEARTBEAT_NAME)


def _address(environment: Mapping[str, Variable], name: str) -> Secret | None:
    found = _one(environment, (name,))
    if found is None:
        return None
    if not _takes_alerts(found.value):
        raise ConfigError(
            f"{found.origin} is no address for alerts.",
            why="an address begins with https:// and leads to the internet, or to this machine (http:// will do there);"
            " it has no user name in it",
            state="Nothing was started.",
            remedy="correct or unset it, then try it: puna alarms --test; alerts.command reaches what is elsewhere",
            code="E008",
        )
    return Secret(found.value)


def _takes_alerts(text: str) -> bool:
    """Whether alerts may be posted there (SEC-17): names are looked at again when they are resolved."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return False
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    if not url.hostname or url.username is not None:
        return False
    try:
        public = ip_address(url.hostname).is_global
    except ValueError:
        public = True
    return is_loopback(url) if url.scheme == "http" else url.scheme == "https" and (public or is_loopback(url))


def implied_mode(environment: Mapping[str, Variable]) -> tuple[Mode, str]:
    """The mode where nothing sets it: sim when the broker's address is on this machine, else paper; and why."""
    found = _one(environment, _URL_NAMES)
    if found and is_loopback(_split(found)):
        return Mode.SIM, found.origin
    return Mode.PAPER, "default"


def is_loopback(url: SplitResult) -> bool:
    """Whether the host is this machine, by name or by number."""
    host = url.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _split(found: Variable) -> SplitResult:
    try:
        url = urlsplit(found.value.strip())
        _ = url.port
    except ValueError as error:
        raise _bad_url(found, str(error)) from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise _bad_url(found, "an address begins with https:// (http:// on this machine) and a host")
    if url.username is not None or url.password is not None:
        raise _bad_url(found, "it carries a user name; keys have variables of their own")
    if url.path.rstrip("/") not in ("", "/v2") or url.query or url.fragment:
        raise _bad_url(found, "only scheme, host and port belong in it")
    return url


def _one(environment: Mapping[str, Variable], names: tuple[str, ...]) -> Variable | None:
    """The one value behind several names; names that contradict each other are an error."""
    values = [found for name in names for found in (_plain(environment, name), _file(environment, name)) if found]
    if len({found.value for found in values}) > 1:
        raise _bad_keys(f"{' and '.join(found.origin for found in values)} contradict each other.")
    return values[0] if values else None


def _plain(environment: Mapping[str, Variable], name: str) -> Variable | None:
    found = environment.get(name)
    return Variable(found.value.strip(), found.origin) if found and found.value.strip() else None


def _file(environment: Mapping[str, Variable], name: str) -> Variable | None:
    found = _plain(environment, f"{name}_FILE")
    if found is None:
        return None
    text = _read(Path(found.value), found.origin).strip()
    if not text or not text.isascii() or not text.isprintable() or len(text) > 512:
        raise _bad_keys(f"{found.origin}: {found.value} does not hold one line with a key.")
    return Variable(text, found.origin)


def _read(path: Path, origin: str) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(_MAX_FILE)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _bad_keys(f"{origin}: {path} cannot be read ({reason}).") from None


def _read_dotenv(path: Path) -> Iterator[tuple[str, Variable]]:
    """The lines of `.env` that concern Puna; a line that is none of `NAME=value`, comment or blank is an error."""
    if not path.is_file():
        return
    for number, line in enumerate(_read(path, ".env").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise ConfigError(f"{path}:{number}:1  not NAME=value.", state="Nothing was started.", code="E008")
        name, value = match.groups()
        if _OURS.match(name):
            yield name, Variable(_unquoted(value), f"{path.name}:{number} {name}")


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else re.split(r"\s+#", value, maxsplit=1)[0].strip()


def _live(why: str) -> LiveRefusedError:
    return LiveRefusedError(
        "Live trading is refused.",
        why=f"{why}, and there is no permit for live",
        state="Nothing was sent.",
        remedy='use account.mode = "sim" or "paper"; more: puna explain E020',
    )


def _bad_keys(what: str) -> ConfigError:
    return ConfigError(
        what,
        state="Nothing was started.",
        remedy="set ALPACA_API_KEY and ALPACA_SECRET_KEY, or their *_FILE forms; check: puna doctor",
        code="E008",
    )


def _bad_url(found: Variable, why: str) -> ConfigError:
    shown = re.sub(r"//[^/@]*@", "//***@", found.value.strip().partition("?")[0])
    return ConfigError(
        f"The broker's address cannot be used: {found.origin} = {shown[:100]!a}.",
        why=why,
        state="Nothing was sent.",
        remedy="unset it, or make it agree with account.mode",
        code="E009",
    )
