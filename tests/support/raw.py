"""HTTP/1.1 and HTTP/2 clients that put every byte on the wire where a test wants it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h11

Headers = list[tuple[str, str]]


@dataclass
class Reply:
    status: int
    headers: Headers
    body: bytes = b""
    trailers: Headers = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """`data` in pieces that end at the given offsets."""
    borders = [0, *sorted(set(at) & set(range(1, len(data)))), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(borders)] if data else []


def chunked(pieces: Sequence[bytes], trailers: Headers) -> bytes:
    """A body in HTTP/1.1 chunks, one per piece."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return body + b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in trailers) + b"\r\n"


def http1_head(method: str, path: str, headers: Headers) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Http1:
    """One HTTP/1.1 connection; bytes go out exactly as given, answers are parsed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._surplus = b""

    @classmethod
    async def connect(cls, port: int) -> Http1:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, pieces: Sequence[bytes], pause_s: float = 0.0) -> None:
        """Writes each piece on its own (TCP_NODELAY is asyncio's default)."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(pause_s)

    async def receive(self, method: str = "POST") -> Reply:
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        if self._surplus:
            parser.receive_data(self._surplus)
        reply: Reply | None = None
        body: list[bytes] = []
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await self._reader.read(1 << 16))
            elif isinstance(event, h11.Response):
                reply = Reply(event.status_code, _decoded(event.headers))
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert reply is not None
                reply.body = b"".join(body)
                reply.trailers = _decoded(event.headers)
                self._surplus = parser.trailing_data[0]
                return reply
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("closed before the answer was complete")

    async def post(self, path: str, headers: Headers, body: bytes) -> Reply:
        head = http1_head("POST", path, [("host", "localhost"), *headers, ("content-length", str(len(body)))])
        await self.send([head + body])
        return await self.receive()

    def abort(self) -> None:
        """Goes away without a word (RST where the kernel can)."""
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()


def _decoded(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


class Http2:
    """One h2c connection with prior knowledge and many streams; each body piece is its own DATA frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
        self._replies: dict[int, Reply] = {}
        self._done: dict[int, asyncio.Future[Reply]] = {}
        self._room = asyncio.Event()
        self._pump = asyncio.ensure_future(self._read())

    @classmethod
    async def connect(cls, port: int) -> Http2:
        connection = cls(*await asyncio.open_connection("127.0.0.1", port))
        connection._state.initiate_connection()
        connection._flush()
        return connection

    def _flush(self) -> None:
        self._writer.write(self._state.data_to_send())

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(1 << 16):
                for event in self._state.receive_data(data):
                    self._handle(event)
                self._flush()
            self._fail(ConnectionResetError("connection closed"))
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        for future in self._done.values():
            if not future.done():
                future.set_exception(error)

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            headers = cast(Headers, event.headers)
            self._replies[event.stream_id] = Reply(int(dict(headers)[":status"]), headers)
        elif isinstance(event, h2.events.DataReceived):
            self._replies[event.stream_id].body += event.data
            self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self._replies[event.stream_id].trailers = cast(Headers, event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            self._finish(event.stream_id, None)
        elif isinstance(event, h2.events.StreamReset):
            self._finish(event.stream_id, ConnectionResetError(f"stream reset, code {event.error_code}"))
        elif isinstance(event, h2.events.WindowUpdated):
            self._room.set()

    def _finish(self, stream: int, error: Exception | None) -> None:
        future = self._done.pop(stream)
        reply = self._replies.pop(stream, None)
        if future.done():
            return
        if error is None and reply is not None:
            future.set_result(reply)
        else:
            future.set_exception(error or ConnectionResetError("ended without headers"))

    async def request(
        self,
        method: str,
        path: str,
        headers: Headers,
        pieces: Sequence[bytes],
        *,
        trailers: Headers | None = None,
        end_alone: bool = False,
    ) -> Reply:
        """`end_alone` ends the stream with an empty DATA frame of its own."""
        stream = self._state.get_next_available_stream_id()
        self._done[stream] = future = asyncio.get_running_loop().create_future()
        pseudo = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost")]
        self._state.send_headers(stream, [*pseudo, *headers], end_stream=not pieces and not trailers)
        try:
            for index, piece in enumerate(pieces):
                last = index == len(pieces) - 1 and not trailers and not end_alone
                await self._data(stream, piece, last)
            if pieces and end_alone and not trailers:
                self._state.send_data(stream, b"", end_stream=True)
            if trailers:
                self._state.send_headers(stream, trailers, end_stream=True)
        except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
            pass  # answered before the request was complete
        self._flush()
        return await future

    async def _data(self, stream: int, piece: bytes, last: bool) -> None:
        while piece or last:
            room = min(self._state.local_flow_control_window(stream), self._state.max_outbound_frame_size, len(piece))
            if room == 0 and piece:
                self._room.clear()
                self._flush()
                await self._room.wait()
                continue
            self._state.send_data(stream, piece[:room], end_stream=last and room == len(piece))
            self._flush()
            piece = piece[room:]
            await asyncio.sleep(0)
            if not piece:
                return

    async def close(self) -> None:
        self._pump.cancel()
        self._writer.close()
