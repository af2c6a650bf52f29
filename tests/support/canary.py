"""A tool server that is not ours to trust: it answers anything and logs every request it receives, byte for byte.

Run as a process (`python -m support.canary PORTFILE LOG`), so that its log is written by nobody who knows what the
right answer would be. It speaks HTTP/1.1 and h2c on one port. One JSON line per complete request:
`{"method", "path", "version", "headers": [[name, value]...], "body": base64, "trailers": [...], "answer": base64}`.

What it answers is chosen by the path: `/mcp` a JSON-RPC result as JSON, `/mcp-sse` the same as an event stream in odd
pieces, `/mcp-slow` after one second. Both carry the digest of the body that arrived and padding whose length comes from
that digest, so that a client can compute the exact bytes it has to see (`expected_answer`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import h2.config
import h2.connection
import h2.events
import h11

Headers = list[tuple[str, str]]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def expected_answer(body: bytes, *, sse: bool = False) -> bytes:
    """The exact bytes of the answer to a request with this body."""
    digest = hashlib.sha256(body).hexdigest()
    try:
        message = json.loads(body)
        ident = message.get("id") if isinstance(message, dict) else None
    except ValueError:
        ident = None
    padding = digest * (int(digest[:3], 16) // 16)  # 0 to 255 times 64 bytes
    result = {"content": [{"type": "text", "text": f"{digest} {padding}"}], "isError": False, "resultType": "complete"}
    text = json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}, separators=(",", ":"))
    if sse:
        return f": canary\r\nevent: message\r\nid: {digest[:8]}\r\ndata: {text}\r\n\r\n".encode()
    return text.encode()


@dataclass
class Request:
    method: str
    path: str
    version: str
    headers: Headers
    body: bytes = b""
    trailers: Headers | None = None


class Log:
    """The canary's own record, one JSON line per request, written before the answer."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, request: Request) -> None:
        entry = {**vars(request), "body": base64.b64encode(request.body).decode(), "trailers": request.trailers or []}
        self._sink.write(json.dumps(entry).encode() + b"\n")
        self._sink.flush()


@dataclass
class Answer:
    status: int
    headers: Headers
    pieces: list[bytes]
    delay_s: float = 0.0


def answer(request: Request) -> Answer:
    path = request.path.partition("?")[0]
    if request.method != "POST":
        return Answer(405, [("allow", "POST"), ("content-length", "0")], [])
    if _is_notification(request.body):
        return Answer(202, [("content-length", "0")], [])
    delay = 1.0 if path.endswith("-slow") else 0.0
    if path.endswith("-sse"):
        text = expected_answer(request.body, sse=True)
        cuts = [0, 1, 9, len(text) // 3, len(text) // 2 + 1, len(text) - 1, len(text)]
        return Answer(
            200, [("content-type", "text/event-stream")], [text[a:b] for a, b in itertools.pairwise(cuts)], delay
        )
    text = expected_answer(request.body)
    return Answer(200, [("content-type", "application/json"), ("content-length", str(len(text)))], [text], delay)


def _is_notification(body: bytes) -> bool:
    try:
        message = json.loads(body)
    except ValueError:
        return False
    return isinstance(message, dict) and "id" not in message


class Connection(asyncio.Protocol):
    """Looks at the first bytes and becomes an HTTP/1.1 or an HTTP/2 connection."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._inner: Http1 | Http2 | None = None
        self._first = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._inner is None:
            self._first += data
            if len(self._first) < len(PREFACE) and PREFACE.startswith(self._first):
                return
            protocol = Http2 if self._first.startswith(PREFACE) else Http1
            self._inner = protocol(self._transport, self._log)
            data, self._first = self._first, b""
        self._inner.feed(data)


class Http1:
    def __init__(self, transport: asyncio.Transport, log: Log) -> None:
        self._transport = transport
        self._log = log
        self._state = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._request: Request | None = None
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self._state.receive_data(data)
        self._drain()

    def _drain(self) -> None:
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._request = Request(
                    event.method.decode(), event.target.decode("latin-1"), "1.1", _text(event.headers.raw_items())
                )
                self._body = []
            elif isinstance(event, h11.Data):
                self._body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                self._request.body = b"".join(self._body)
                self._request.trailers = _text(event.headers.raw_items())
                self._log.write(self._request)
                _run(self._reply(answer(self._request)))
                return
            elif isinstance(event, h11.ConnectionClosed):
                self._transport.close()
                return

    async def _reply(self, reply: Answer) -> None:
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        send = self._state.send
        self._transport.write(send(h11.Response(status_code=reply.status, headers=reply.headers)) or b"")
        for piece in reply.pieces:
            self._transport.write(send(h11.Data(data=piece)) or b"")
            await asyncio.sleep(0)
        self._transport.write(send(h11.EndOfMessage()) or b"")
        if self._state.our_state is h11.MUST_CLOSE:
            self._transport.close()
            return
        self._state.start_next_cycle()
        self._drain()  # what arrived meanwhile


class Http2:
    def __init__(self, transport: asyncio.Transport, log: Log) -> None:
        self._transport = transport
        self._log = log
        self._state = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        )
        self._state.initiate_connection()
        self._open: dict[int, Request] = {}
        self._room = asyncio.Event()
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._state.data_to_send())

    def feed(self, data: bytes) -> None:
        for event in self._state.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = cast(list[tuple[str, str]], event.headers)
                pseudo = dict(headers)
                plain = [(name, value) for name, value in headers if not name.startswith(":")]
                self._open[event.stream_id] = Request(
                    pseudo[":method"], pseudo[":path"], "2", [(":authority", pseudo.get(":authority", "")), *plain]
                )
            elif isinstance(event, h2.events.DataReceived):
                self._open[event.stream_id].body += event.data
                self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self._open[event.stream_id].trailers = cast(Headers, event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                request = self._open.pop(event.stream_id)
                self._log.write(request)
                _run(self._reply(event.stream_id, answer(request)))
            elif isinstance(event, h2.events.StreamReset):
                self._open.pop(event.stream_id, None)
            elif isinstance(event, h2.events.WindowUpdated):
                self._room.set()
        self._flush()

    async def _reply(self, stream: int, reply: Answer) -> None:
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        try:
            self._state.send_headers(stream, [(":status", str(reply.status)), *reply.headers])
            for piece in reply.pieces:
                while piece:
                    room = min(self._state.local_flow_control_window(stream), self._state.max_outbound_frame_size)
                    if room == 0:
                        self._room.clear()
                        self._flush()
                        await self._room.wait()
                        continue
                    self._state.send_data(stream, piece[:room])
                    piece = piece[room:]
                self._flush()
                await asyncio.sleep(0)
            self._state.end_stream(stream)
        except h2.exceptions.ProtocolError:
            return  # the client took its request back
        self._flush()


_running: set[asyncio.Task[None]] = set()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Starts work in the background; the event loop itself holds only weak references to tasks."""
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_running.discard)


def _text(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


async def main(port_file: Path, log_file: Path) -> None:
    with log_file.open("ab") as sink:
        log = Log(sink)
        server = await asyncio.get_running_loop().create_server(lambda: Connection(log), "127.0.0.1", 0)
        port_file.write_text(str(server.sockets[0].getsockname()[1]))
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
