"""What one trial of a crash campaign is: a day's seed, what goes wrong on the wire, and where the process is killed.

A trial is one line of JSON, and whoever has that line can run the trial again: `python tests/support/campaign.py LINE`.
"""

import msgspec

from puna.exchange.faults import Fault

__all__ = ["Ended", "Kill", "Life", "Trial"]


class Kill(msgspec.Struct, frozen=True):
    """The process ends by SIGKILL when it passes a named point for the nth time."""

    point: str
    nth: int = 1


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trial.

    Args:
        seed: of the day's prices.
        kills: one for each process that is to be killed, in their order; one more process ends by itself.
        faults: the exchange's fault script.
        minutes: market minutes after the open at which the session ends.
        script: which orders the strategy makes; see `scripted`.
        pages: how many pages the journal may have in a first process, on a disk that is full then; 0 is no limit.
        hidden: milliseconds of market time for which a new order cannot be read yet; settle times are as short then.
        torn: the part of the journal's log that is left after the first death, as if the machine had lost its power
            before the rest was on the disk; 1 is all of it.
    """

    seed: int = 7
    kills: tuple[Kill, ...] = ()
    faults: tuple[Fault, ...] = ()
    minutes: int = 5
    script: str = "life"
    pages: int = 0
    hidden: int = 0
    torn: float = 1.0

    def line(self) -> str:
        """The trial as one line."""
        return msgspec.json.encode(self).decode()


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What one process of a trial is told when it is forked."""

    url: str
    folder: str
    number: int
    script: str
    minutes: int
    kill: Kill | None = None
    pages: int = 0
    settle: float = 0.5


class Ended(msgspec.Struct, frozen=True):
    """How a process ended: its signal, or its exit status, and how long it lived."""

    signal: int
    status: int
    seconds: float
