"""How the broker grows: fields and words that we do not know, counted, with a sample, for people to look at.

Unknown fields are skipped by the decoders and unknown words of enumerations are kept as they came, so neither does any
harm; but whoever runs this should hear of them. Bodies are looked at as they are read: the first ones of each kind, and
then every 256th, because looking costs more than reading.
"""

from collections import Counter
from typing import Any

from puna.errors import ProtocolError
from puna.wire.unknown import unknown_fields, unknown_words

__all__ = ["DRIFT", "Drift"]

MOST_NAMES = 1_000
LARGEST_BODY = 1 << 16
EVERY = 256


class Drift:
    """What was seen that is not known.

    Attributes:
        seen: how often each was seen among the bodies that were looked at: `Order: legs[].novelty` for a field,
            `Order.status=novel` for a word.
        samples: the beginning of a body that had it.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.samples: dict[str, bytes] = {}
        self._read: dict[Any, int] = {}

    def look(self, body: bytes, kind: Any) -> None:
        """Looks at a body that was read as `kind`, if it is its turn."""
        count = self._read[kind] = self._read.get(kind, 0) + 1
        if (count & (count - 1) and count % EVERY) or (len(body) > LARGEST_BODY and count > 1):
            return
        try:
            fields = [f"{_named(kind)}: {path}" for path in unknown_fields(body, kind)]
            found = [*fields, *unknown_words(body, kind)]
        except (ProtocolError, RecursionError):
            return
        for name in found:
            if name in self.seen or len(self.seen) < MOST_NAMES:
                self.seen[name] += 1
                self.samples.setdefault(name, body[:2_000])

    def forget(self) -> None:
        """Begins anew."""
        self.seen.clear()
        self.samples.clear()
        self._read.clear()

    def lines(self) -> list[str]:
        """One line for each, for people."""
        return [
            f"the broker sent something new: {name} (seen {_times(count)}; it does no harm)"
            for name, count in sorted(self.seen.items())
        ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _named(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)) if not getattr(kind, "__args__", ()) else _named(kind.__args__[-1])


DRIFT = Drift()
"""Of this process."""
