"""Both WebSockets on the wire: encodings, doors, limits, keep-alive, slow readers, and a day at a speed."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import msgpack  # type: ignore[import-untyped]  # comes with alpaca-py, without types
import pytest

from puna.exchange.server import Speed
from puna.wire.codec import parse_time

AUTH = {"action": "auth", "key": "KEY", "secret": "SECRET"}
PATIENCE = 30.0
CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]


def _error(code: int, text: str) -> list[dict[str, Any]]:
    return [{"T": "error", "code": code, "msg": text}]


async def _anonymous(
    raw: Any, session: aiohttp.ClientSession, path: str = "/v2/iex"
) -> aiohttp.ClientWebSocketResponse:
    """A data socket whose handshake names nobody."""
    return await session.ws_connect(raw.server.url + path, autoping=False)


async def test_auth_by_message_then_subscribe(exchange: Any) -> None:
    """Welcome, 401 before auth, 402 for a wrong key, the socket stays open, then auth, ack, and 403 for once more."""
    async with exchange(keys={"KEY": "SECRET"}) as raw, aiohttp.ClientSession() as session:
        for path in ("/v2/iex", "/v2/sip", "/v2/test"):
            stream = await _anonymous(raw, session, path)
            assert await raw.hear(stream) == CONNECTED
            talk = [
                ({"action": "subscribe", "bars": ["AAPL"]}, _error(401, "not authenticated")),
                ({**AUTH, "secret": "wrong"}, _error(402, "auth failed")),
                (AUTH, AUTHENTICATED),
                (AUTH, _error(403, "already authenticated")),
            ]
            for said, heard in talk:
                await stream.send_json(said)
                assert await raw.hear(stream) == heard
            await stream.send_str("{nonsense")
            assert await raw.hear(stream) == _error(400, "invalid syntax")
            await stream.send_bytes(b'{"action":"subscribe","bars":["AAPL"]}')
            assert (await raw.hear(stream))[0]["bars"] == ["AAPL"]
            await stream.close()


async def test_wrong_headers_leave_room_for_a_message(exchange: Any) -> None:
    """Bad credentials in the handshake are told after the welcome; the client may still authenticate."""
    async with exchange(keys={"KEY": "SECRET"}) as raw:
        stream = await raw.connect(raw.server.data_stream_url, headers={"APCA-API-SECRET-KEY": "wrong"})
        assert await raw.hear(stream) == CONNECTED
        assert await raw.hear(stream) == _error(402, "auth failed")
        await stream.send_json(AUTH)
        assert await raw.hear(stream) == AUTHENTICATED


async def test_who_says_nothing_is_shown_out(exchange: Any) -> None:
    """No auth in time: 404, then the connection is closed."""
    async with exchange(auth_seconds=0.1) as raw, aiohttp.ClientSession() as session:
        stream = await _anonymous(raw, session)
        assert await raw.hear(stream) == CONNECTED
        assert await raw.hear(stream) == _error(404, "auth timeout")
        assert (await stream.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_one_connection_for_each_key_and_endpoint(exchange: Any) -> None:
    """The newcomer gets 406 and is closed a while later; the incumbent stays; another endpoint or key is free."""
    async with exchange(auth_seconds=0.2) as raw:
        incumbent = await raw.data(bars=["AAPL"])
        newcomer = await raw.connect(raw.server.data_stream_url)
        assert [await raw.hear(newcomer), await raw.hear(newcomer)] == [
            CONNECTED,
            _error(406, "connection limit exceeded"),
        ]
        other = await raw.connect(raw.server.data_stream_url, headers={"APCA-API-KEY-ID": "OTHER"})
        sip = await raw.connect(raw.server.url + "/v2/sip")
        for stream in (other, sip):
            assert [await raw.hear(stream), await raw.hear(stream)] == [CONNECTED, AUTHENTICATED]
        assert (await newcomer.receive()).type is aiohttp.WSMsgType.CLOSE
        await incumbent.send_json({"action": "subscribe", "trades": ["AAPL"]})
        assert (await raw.hear(incumbent))[0]["trades"] == ["AAPL"]
        await incumbent.close()
        await raw.data()


async def test_msgpack_by_content_type(exchange: Any) -> None:
    """Asked for in the handshake: binary frames both ways, times as timestamp extensions, the same data as JSON."""
    headers = {"Content-Type": "application/msgpack"}
    async with exchange() as raw:
        raw.start(raw.follow(await raw.trading()))
        text = await raw.data(quotes=["AAPL"])
        packed = await raw.connect(raw.server.url + "/v2/sip", headers=headers)
        assert msgpack.unpackb((await packed.receive()).data) == CONNECTED
        assert msgpack.unpackb((await packed.receive()).data) == AUTHENTICATED
        await packed.send_bytes(msgpack.packb({"action": "subscribe", "quotes": ["AAPL"]}))
        assert msgpack.unpackb((await packed.receive()).data)[0]["quotes"] == ["AAPL"]
        frame: list[Any] = []

        async def read() -> None:
            async for message in packed:
                if message.type is aiohttp.WSMsgType.PING:
                    await packed.pong(message.data)
                else:
                    assert message.type is aiohttp.WSMsgType.BINARY
                    frame.append(msgpack.unpackb(message.data))

        raw.start(read())
        raw.start(raw.follow(text))
        await raw.until(lambda: bool(frame) and bool(raw.market))
        (quote,) = frame[0]
        assert quote.pop("t").to_unix_nano() == parse_time(raw.market[0].pop("t"))
        assert quote == raw.market[0]


async def test_a_message_in_fragments_is_put_together(exchange: Any) -> None:
    """alpaca-py sends its subscription in fragments; the frames here are made by hand."""
    async with exchange() as raw:
        reader, writer = await _handshake(raw, sock=_small_socket(raw.server.url))
        text = b'{"action":"subscribe","trades":["AAPL"]}'
        writer.write(_client_frame(text[:7], final=False))
        writer.write(_client_frame(text[7:20], opcode=0, final=False))
        writer.write(_client_frame(text[20:], opcode=0))
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b'"trades":["AAPL"]')
        writer.close()


@pytest.mark.parametrize(("binary", "kind"), [(True, aiohttp.WSMsgType.BINARY), (False, aiohttp.WSMsgType.TEXT)])
async def test_trade_updates_in_binary_or_text_frames(exchange: Any, binary: bool, kind: aiohttp.WSMsgType) -> None:
    """Paper sends JSON in binary frames; text is a switch."""
    async with exchange(binary_updates=binary) as raw:
        stream = await raw.connect(raw.server.trading_stream_url)
        await stream.send_json(AUTH)
        message = await stream.receive()
        assert message.type is kind
        assert json.loads(message.data)["data"]["status"] == "authorized"


async def test_trade_updates_in_msgpack(exchange: Any) -> None:
    """The same documents, packed, for who asks in the handshake."""
    async with exchange() as raw:
        stream = await raw.connect(raw.server.trading_stream_url, headers={"Content-Type": "application/msgpack"})
        await stream.send_bytes(msgpack.packb(AUTH))
        assert msgpack.unpackb((await stream.receive()).data)["data"]["status"] == "authorized"


async def test_nonsense_on_the_trading_stream_ends_it_with_an_error(exchange: Any) -> None:
    """An error message, then the close [WST]."""
    async with exchange() as raw:
        stream = await raw.trading()
        await stream.send_str("{nonsense")
        assert await raw.hear(stream) == {"action": "error", "data": {"error_message": "invalid syntax"}}
        assert (await stream.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_an_update_has_the_shape_of_the_recorded_ones(exchange: Any) -> None:
    """event, order, timestamp; executions only where there are any; REST shows the same order."""
    async with exchange(lead_seconds=0) as raw:
        raw.start(raw.follow(await raw.trading()))
        raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
        _, order = await raw.order()
        await raw.until(lambda: any(update["event"] == "fill" for update in raw.updates))
        by_event = {update["event"]: update for update in raw.updates}
        assert {"event", "order", "timestamp"} <= set(by_event["pending_new"])
        assert not {"price", "qty", "position_qty"} & set(by_event["pending_new"])
        assert {"price", "qty", "position_qty", "execution_id"} <= set(by_event["fill"])
        assert by_event["fill"]["order"]["id"] == order["id"]
        assert (await raw.call("GET", f"/v2/orders/{order['id']}"))[1] == by_event["fill"]["order"]


async def test_a_day_at_a_speed(exchange: Any) -> None:
    """Market time is wall time times the speed: frames come by themselves, and nobody has to pong."""
    async with exchange(pacing=Speed(3600), wait_for=()) as raw:
        stream = await raw.connect(raw.server.data_stream_url)
        await raw.hear(stream)
        await raw.hear(stream)
        await stream.send_json({"action": "subscribe", "bars": ["AAPL"]})
        assert (await raw.hear(stream))[0]["T"] == "subscription"
        stamps = [(await raw.hear(stream))[0]["t"] for _ in range(5)]
        assert stamps == sorted(set(stamps))
        status, order = await raw.order()
        assert status == 200
        trading = raw.server.venue
        await raw.until(lambda: trading.order(order["id"]).status == "filled")
        assert raw.server.progress().now > parse_time(stamps[-1])


async def test_who_does_not_answer_pings_is_cut_off(exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a speed the server pings every so often, and a client that stays silent is reset."""
    monkeypatch.setattr("puna.exchange.streams.connections._PONG_SECONDS", 0.1)
    async with exchange(pacing=Speed(1), wait_for=(), ping_seconds=0.05) as raw:
        silent, polite = await raw.data(), await raw.trading()
        raw.start(raw.follow(polite))
        while (message := await silent.receive()).type is aiohttp.WSMsgType.PING:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert silent.close_code == 1006
        await asyncio.sleep(0.3)
        assert polite.close_code is None


async def test_a_slow_reader_is_told_and_closed_and_nobody_else_notices(
    exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRO-17: who does not read gets 407 when its backlog is full; others get every frame.

    Time begins with the trading socket, when both data sockets are there; no ping asks who is slow for an answer.
    """
    monkeypatch.setattr("puna.exchange.streams.connections._GOODBYE_SECONDS", PATIENCE)
    async with exchange(pacing=Speed(20_000), backlog=200, step_seconds=5, ping_seconds=3600) as raw:
        reader, writer = await _handshake(raw, sock=_small_socket(raw.server.url))
        writer.write(_client_frame(b'{"action":"subscribe","trades":["*"],"quotes":["*"],"bars":["*"]}'))
        raw.start(raw.follow(await raw.data(bars=["IBM"])))
        raw.start(raw.follow(await raw.trading()))
        await raw.until(raw.server.done.is_set)
        rest = b""
        async with asyncio.timeout(PATIENCE):
            while b'[{"T":"error","code":407,"msg":"slow client"}]' not in rest:
                rest = rest[-100:] + await reader.read(1 << 16)
                await asyncio.sleep(0)
        writer.close()
        await raw.until(lambda: len(raw.market) == 390)


def _small_socket(url: str) -> socket.socket:
    """A connected socket that takes little before it is read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = url.removeprefix("http://").split(":")
    small.connect((host, int(port)))
    small.setblocking(False)
    return small


async def _handshake(raw: Any, sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A data socket by hand: no library between the test and the bytes."""
    reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 10)
    lines = [
        "GET /v2/iex HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "APCA-API-KEY-ID: BY-HAND",
        "APCA-API-SECRET-KEY: S",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def _client_frame(payload: bytes, *, opcode: int = 1, final: bool = True) -> bytes:
    """A masked frame of at most 125 bytes; the mask is zero."""
    return bytes([0x80 * final | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload
