"""Reference data: what codes mean, and logos. Codes are those of the SIPs' and OPRA's public specifications."""

import struct
import zlib
from collections.abc import Mapping

from aiohttp import web

from puna.exchange.web.answers import answer
from puna.exchange.web.pages import choice, no

__all__ = ["ReferenceApi"]

_STOCK_EXCHANGES = {
    "A": "NYSE American",
    "B": "NASDAQ BX",
    "C": "NYSE National",
    "D": "FINRA ADF",
    "H": "MIAX Pearl Equities",
    "J": "Cboe EDGA",
    "K": "Cboe EDGX",
    "L": "Long-Term Stock Exchange",
    "M": "NYSE Texas",
    "N": "New York Stock Exchange",
    "P": "NYSE Arca",
    "Q": "NASDAQ",
    "U": "MEMX",
    "V": "IEX",
    "X": "NASDAQ PSX",
    "Y": "Cboe BYX",
    "Z": "Cboe BZX",
}
_OPTION_EXCHANGES = {
    "A": "NYSE American Options",
    "B": "BOX Options",
    "C": "Cboe Options",
    "D": "MIAX Emerald",
    "E": "Cboe EDGX Options",
    "H": "Nasdaq GEMX",
    "I": "Nasdaq ISE",
    "M": "MIAX Options",
    "N": "NYSE Arca Options",
    "P": "MIAX Pearl",
    "Q": "Nasdaq Options",
    "X": "Nasdaq PHLX",
    "Z": "Cboe BZX Options",
}
_TRADES = {
    "C": "Cash Sale",
    "F": "Intermarket Sweep",
    "H": "Price Variation Trade",
    "I": "Odd Lot Trade",
    "K": "Rule 127 or Rule 155 Trade",
    "L": "Sold Last",
    "M": "Market Center Official Close",
    "N": "Next Day",
    "O": "Opening Prints",
    "P": "Prior Reference Price",
    "Q": "Market Center Official Open",
    "R": "Seller",
    "T": "Form T",
    "U": "Extended Hours Sold Out Of Sequence",
    "V": "Contingent Trade",
    "X": "Cross Trade",
    "Z": "Sold Out Of Sequence",
    "4": "Derivatively Priced",
    "5": "Re-Opening Prints",
    "6": "Closing Prints",
    "7": "Qualified Contingent Trade",
    "9": "Corrected Consolidated Close",
}
_TRADES_OF_TAPE = {
    "A": {" ": "Regular Sale", "B": "Average Price Trade", "E": "Automatic Execution"},
    "B": {" ": "Regular Sale", "B": "Average Price Trade", "E": "Automatic Execution"},
    "C": {"@": "Regular Sale", "A": "Acquisition", "B": "Bunched Trade", "W": "Average Price Trade"},
}
_QUOTES = {
    "A": "Slow Quote Offer Side",
    "B": "Slow Quote Bid Side",
    "C": "Closing",
    "H": "Slow Quote Bid And Offer Sides",
    "L": "Closed Market Maker",
    "N": "Non Firm",
    "O": "Opening Quote",
    "R": "Regular Two Sided Open",
    "U": "Slow Quote Due To LRP Bid And Offer Sides",
}
_OPTION_TRADES = {
    "I": "AUTO - Transaction executed electronically",
    "a": "SLAN - Single Leg Auction Non ISO",
    "b": "SLAI - Single Leg Auction ISO",
    "e": "SLFT - Single Leg Floor Trade",
    "f": "MLET - Multi Leg auto-electronic trade",
    "g": "MLAT - Multi Leg Auction",
}
_OPTION_QUOTES = {
    "A": "Eligible for automatic execution",
    "B": "Bid contains customer trading interest",
    "F": "Non-Firm Quote",
    "O": "Offer contains customer trading interest",
    "R": "Rotation",
    "X": "Trading halted",
    " ": "Regular",
}
_SIDE = 64


class ReferenceApi:
    """Conditions and exchanges of stocks and options; logos."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/stocks/meta/conditions/{ticktype}", self.stock_conditions)
        router.add_get("/v2/stocks/meta/exchanges", self.stock_exchanges)
        router.add_get("/v1beta1/options/meta/conditions/{ticktype}", self.option_conditions)
        router.add_get("/v1beta1/options/meta/exchanges", self.option_exchanges)
        router.add_get("/v1beta1/logos/{symbol}", self.logo)

    async def stock_conditions(self, request: web.Request) -> web.Response:
        kind = _kind(request)
        if "tape" not in request.query:
            no("tape is required")
        tape = choice(request, "tape", ("A", "B", "C"))
        return answer(_QUOTES if kind == "quote" else {**_TRADES_OF_TAPE[tape], **_TRADES})

    async def stock_exchanges(self, _: web.Request) -> web.Response:
        return answer(_STOCK_EXCHANGES)

    async def option_conditions(self, request: web.Request) -> web.Response:
        known: Mapping[str, Mapping[str, str]] = {"trade": _OPTION_TRADES, "quote": _OPTION_QUOTES}
        return answer(known[_kind(request)])

    async def option_exchanges(self, _: web.Request) -> web.Response:
        return answer(_OPTION_EXCHANGES)

    async def logo(self, request: web.Request) -> web.Response:
        """A plain square in a colour that follows from the symbol: there are no real logos here."""
        symbol = request.match_info["symbol"].upper()
        return web.Response(body=_square(zlib.crc32(symbol.encode()) & 0xFFFFFF), content_type="image/png")


def _kind(request: web.Request) -> str:
    if (kind := request.match_info["ticktype"]) not in ("trade", "quote"):
        no(f"invalid ticktype: {kind[:20]}")
    return kind


def _square(colour: int) -> bytes:
    """A PNG of one colour."""
    row = b"\0" + colour.to_bytes(3) * _SIDE
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(row * _SIDE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
