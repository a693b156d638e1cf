"""An HTTP proxy on loopback for tests, which remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from rawserver import serving

__all__ = ["Proxy"]


class Proxy:
    """CONNECT, and plain requests by their absolute address; everything after the head is passed on as it is."""

    def __init__(self, *, open_: bool = True) -> None:
        self.heads: list[bytes] = []
        self._open = open_

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with serving(self._serve) as port:
            yield f"http://user:word@127.0.0.1:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target = head.split(None, 2)[:2]
        if not self._open:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            await writer.drain()
            return
        place = urlsplit(target if method != b"CONNECT" else b"//" + target)
        there, back = await asyncio.open_connection((place.hostname or b"").decode(), place.port)
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
