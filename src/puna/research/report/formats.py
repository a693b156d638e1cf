"""How numbers and times read in a report: signs, thousands, New York wall time. One function a kind."""

import re
from collections.abc import Sequence
from decimal import Decimal

from puna.core.sessions import new_york

__all__ = [
    "DASH",
    "MINUS",
    "bp",
    "count",
    "day_of",
    "dollars",
    "duration",
    "independent",
    "listed",
    "percent",
    "plain",
    "price",
    "quantity",
    "reason",
    "share",
    "signed",
    "wall",
]

_TENTHS = 10.0  # below it, a tenth matters
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
_NANOS = 1_000_000_000
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def dollars(value: Decimal | float | None, places: int = 2) -> str:
    """1,234.50; a minus that is as wide as a plus; a dash when it is not known."""
    return DASH if value is None else f"{value:,.{places}f}".replace("-", MINUS)


def price(value: Decimal | float | None) -> str:
    """A price with two decimals, or up to four where it has them."""
    if value is None:
        return DASH
    text = f"{value:,.4f}".removesuffix("0").removesuffix("0")
    return text.replace("-", MINUS)


def signed(value: Decimal | float | None, places: int = 2) -> str:
    """A sign and two decimals; nothing is 0.00, without a sign."""
    if value is None:
        return DASH
    text = f"{value:+,.{places}f}"
    return (text[1:] if not text.strip("+-0.,") else text).replace("-", MINUS)


def percent(fraction: Decimal | float | None, places: int = 2) -> str:
    """0.0123 -> +1.23 %."""
    return DASH if fraction is None else f"{signed(fraction * 100, places)}\N{NO-BREAK SPACE}%"


def independent(trials: float) -> str:
    """How many independent trials many are worth: 2.4, 31."""
    return f"{trials:.1f}" if trials < _TENTHS else f"{trials:,.0f}"


def share(part: float, places: int = 0) -> str:
    """A part of a whole: 0.123 -> 12 %; nearly all is not told as all, and hardly anything not as nothing."""
    least = 10.0**-places
    told = f"{part * 100:.{places}f}"
    if 0 < part < 1 and float(told) in (0.0, 100.0):
        told = f"under {least:.{places}f}" if part < 0.5 else f"over {100 - least:.{places}f}"
    return f"{told}\N{NO-BREAK SPACE}%"


def bp(value: float | None) -> str:
    """Basis points with a sign."""
    return DASH if value is None else f"{signed(value, 1)}\N{NO-BREAK SPACE}bp"


def quantity(value: Decimal) -> str:
    """Shares as they are: 40, 0.5, never 4E+1."""
    text = f"{value:,f}".replace("-", MINUS)
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(word: str) -> str:
    """A broker's word as people write it: partially_filled -> partially filled."""
    return word.replace("_", " ").lower()


def reason(text: str) -> str:
    """A refusal in words, its large or long numbers as money: 30650.8224 -> 30,650.82."""
    return re.sub(r"(?<![\d,.])(\d+\.\d{2,}|\d{5,})(?![\d.])", lambda found: f"{Decimal(found[0]):,.2f}", text)


def wall(ts: int | None, form: str = "%H:%M:%S") -> str:
    """New York wall time."""
    return DASH if ts is None else new_york(ts).strftime(form)


def day_of(ts: int) -> str:
    """Thursday, 18 October 2012, in New York."""
    moment = new_york(ts)
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def duration(nanos: int) -> str:
    """0.1 s, 45 s, 12 min, 3 h 05 min."""
    seconds = nanos / _NANOS
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """Say `one order`, `two orders`, `48 orders`, `no orders`."""
    word = _WORDS[number] if 0 <= number < len(_WORDS) else f"{number:,}"
    return f"{word} {noun if number == 1 else nouns or noun + 's'}"


def listed(words: Sequence[str]) -> str:
    """AAPL, GOOG and IBM."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
