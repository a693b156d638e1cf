"""The ways an alert reaches a person: a webhook, or a program that gets the text on its standard input.

Both come from the configuration, and neither sees a key of the broker: the program's environment is without them, and a
webhook is an address on the internet or on this machine, dialled without proxies and never followed elsewhere (SEC-17).
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import aiohttp
import msgspec

from puna.alpaca.transport import open_session
from puna.config.secret import Secret
from puna.core.sessions import new_york
from puna.engine.alarms import Alarm
from puna.errors import PunaError
from puna.seams import SystemClock

__all__ = ["Alert", "Channel", "Command", "Heartbeat", "Webhook", "send"]

PATIENCE = 5.0  # seconds of wall time for one delivery
LONGEST = 1800  # characters; Discord takes 2,000
SHOWN = 200
_WALL = SystemClock()
_SECRETS = ("ALPACA_", "APCA_", "PUNA_")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What is told: the alarms that stand, of which run.

    Args:
        run: its folder's name and mode.
        alarms: the newest last.
        test: there is no alarm; somebody tries whether alerts arrive.
    """

    run: str
    alarms: tuple[Alarm, ...] = ()
    test: bool = False

    @property
    def text(self) -> str:
        """For people: the newest alarms, as many as fit, and what to do."""
        if self.test:
            return f"Puna, {self.run}: this is a test, and no alarm."
        some = len(self.alarms) != 1
        head = f"Puna, {self.run}: {len(self.alarms)} alarm{'s stand' if some else ' stands'}"
        tail = "Look: puna alarms. Acknowledge: puna ack --all --reason TEXT"
        rows, left = list[str](), LONGEST - len(head) - len(tail) - 40
        for alarm in reversed(self.alarms):
            row = _row(alarm)
            left -= len(row) + 1
            if left < 0:
                rows.append(f"... and {len(self.alarms) - len(rows)} more")
                break
            rows.append(row)
        return "\n".join([head, *rows, tail])


def _row(alarm: Alarm) -> str:
    often = f" ({alarm.count} times)" if alarm.count > 1 else ""
    text = "".join(each if each.isprintable() else " " for each in alarm.text)
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"#{alarm.number} {new_york(alarm.ts):%Y-%m-%d %H:%M:%S} New York  {alarm.code} {shown}{often}"


class Channel(Protocol):
    """A way to tell people."""

    name: str

    async def send(self, alert: Alert) -> None:
        """Returns when it was taken.

        Raises:
            PunaError: E523, it was not.
        """


class Webhook:
    """Posts JSON: the text under a key of the receiver's choice, and the alarms themselves.

    Args:
        url: where to; its path is a secret.
        key: where in the JSON the text stands.
    """

    name = "webhook"

    def __init__(self, url: Secret, key: str = "text") -> None:
        self._url = url
        self._key = key

    async def send(self, alert: Alert) -> None:
        """As `Channel` says; anything but 2xx is a refusal."""
        alarms = [{"number": each.number, "ts": each.ts, "code": each.code, "text": each.text, "count": each.count}
                  for each in alert.alarms]  # fmt: skip
        body = msgspec.json.encode({"run": alert.run, "alarms": alarms, self._key: alert.text})
        await _called(self.name, "POST", self._url, body)


class Heartbeat:
    """Asks for an address (GET) that tells somebody else when nobody has asked for too long: a dead man's switch.

    Args:
        url: of a service on another machine; its path is a secret.
    """

    name = "heartbeat"

    def __init__(self, url: Secret) -> None:
        self._url = url

    async def send(self, alert: Alert) -> None:  # noqa: ARG002 - that it comes says all
        """As `Channel` says; what the alert holds is not sent."""
        await _called(self.name, "GET", self._url, None)


class Command:
    """Starts a program for each alert, with the text on its standard input.

    Args:
        words: the program and its arguments.
    """

    name = "command"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)

    async def send(self, alert: Alert) -> None:
        """As `Channel` says; a program that does not end in time, or with another exit code than 0, has failed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
        pipe = asyncio.subprocess.PIPE
        try:
            program = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=pipe,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _undelivered(self.name, f"{self._words[0]}: {error}") from error
        try:
            await program.communicate(f"{alert.text}\n".encode())
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            await program.wait()
            raise
        if program.returncode:
            raise _undelivered(self.name, f"{self._words[0]} ended with {program.returncode}")


async def send(channels: Sequence[Channel], alert: Alert) -> tuple[tuple[str, ...], dict[str, str]]:
    """Tells by all ways at once, each within `PATIENCE`: the names of those that took it, and why others did not."""
    answers = await asyncio.gather(*(_tried(each, alert) for each in channels))
    said = {each.name: answer for each, answer in zip(channels, answers, strict=True)}
    return tuple(name for name, why in said.items() if not why), {name: why for name, why in said.items() if why}


async def _tried(channel: Channel, alert: Alert) -> str:
    """Why it was not taken; empty when it was. Nothing that goes wrong here goes any further."""
    try:
        async with _WALL.deadline(PATIENCE):
            await channel.send(alert)
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except PunaError as error:
        return error.why
    except Exception as error:  # noqa: BLE001 - whoever trades must not end for this
        return type(error).__name__
    return ""


async def _called(name: str, method: str, url: Secret, body: bytes | None) -> None:
    """One request; anything but 2xx is a refusal."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        async with (
            open_session(headers, PATIENCE) as session,
            session.request(method, url.reveal(), data=body, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _undelivered(name, type(error).__name__) from None  # the text may hold the address
    if not 200 <= status < 300:
        raise _undelivered(name, f"it answered HTTP {status}")


def _undelivered(name: str, why: str) -> PunaError:
    return PunaError(f"The {name} did not take an alert.", why=why, remedy="Try it: puna alarms --test", code="E523")
