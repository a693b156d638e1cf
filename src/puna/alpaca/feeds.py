"""The market-data feeds: where each is, which channels it has, how its frames are read. Source: fact sheet 1 and 7."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from puna.alpaca.frames import Subscription
from puna.errors import ConfigError
from puna.wire.frames import read_crypto, read_data, read_packed_crypto, read_packed_data

__all__ = ["Feed", "crypto", "news", "options", "stocks"]


@dataclass(frozen=True, slots=True)
class Feed:
    """One kind of market-data stream.

    Args:
        path: on the host of the data streams.
        channels: what one may subscribe to.
        packed_only: it speaks msgpack and nothing else.
        no_wildcard: channels that do not take `*`.
        read: the messages of a JSON frame.
        read_packed: the messages of a msgpack frame.
    """

    path: str
    channels: frozenset[str]
    packed_only: bool = False
    no_wildcard: frozenset[str] = frozenset()
    read: Callable[[bytes | str], Sequence[Any]] = read_data
    read_packed: Callable[[bytes], Sequence[Any]] = read_packed_data

    def check(self, wanted: Subscription) -> None:
        """Checks that all that is wanted can be had here.

        Raises:
            ConfigError: a channel that this feed does not have, or a wildcard where it takes none.
        """
        if foreign := wanted.channels - self.channels:
            raise _unfit(
                self.path, f"it has no channel {', '.join(sorted(foreign))}", f"It has {_list(self.channels)}."
            )
        if starred := [name for name in sorted(self.no_wildcard) if "*" in getattr(wanted, name)]:
            raise _unfit(self.path, f"{starred[0]} cannot be subscribed with *", "Name the contracts.")


STOCK_CHANNELS = frozenset(
    {"trades", "quotes", "bars", "updated_bars", "daily_bars", "statuses", "lulds", "imbalances"}
)
CRYPTO_CHANNELS = frozenset({"trades", "quotes", "orderbooks", "bars", "updated_bars", "daily_bars"})


def stocks(name: str = "iex") -> Feed:
    """US stocks: `iex`, `sip`, `delayed_sip` (15 minutes), `test` (FAKEPACA); `boats` and `overnight` at night."""
    path = f"/v1beta1/{name}" if name in ("boats", "overnight") else f"/v2/{name}"
    return Feed(path, STOCK_CHANNELS)


def crypto(loc: str = "us") -> Feed:
    """Crypto, with its books; pairs have a slash: BTC/USD."""
    return Feed(f"/v1beta3/crypto/{loc}", CRYPTO_CHANNELS, read=read_crypto, read_packed=read_packed_crypto)


def options(name: str = "indicative") -> Feed:
    """Options, `indicative` or `opra`: msgpack only, and no wildcard for quotes."""
    channels = frozenset({"trades", "quotes"})
    return Feed(f"/v1beta1/{name}", channels, packed_only=True, no_wildcard=frozenset({"quotes"}))


def news() -> Feed:
    """Articles, by symbol."""
    return Feed("/v1beta1/news", frozenset({"news"}))


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _unfit(path: str, reason: str, remedy: str) -> ConfigError:
    return ConfigError(
        f"The stream {path} cannot send what is wanted.",
        why=reason,
        state="Nothing was sent.",
        remedy=remedy,
        code="E050",
    )
