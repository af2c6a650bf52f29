"""A tool server in the test's own process that writes exactly the bytes that a test put down for a path, segment by
segment."""

from __future__ import annotations

import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from support import raw

Headers = dict[str, str]

PAUSE_S = 0.05
"""Between two segments, so that they arrive one by one."""


class Scripted:
    """Listens on a loopback port; `answers` says what comes for a path, `seen` what the last request's headers were."""

    def __init__(self) -> None:
        self.answers: dict[str, list[bytes]] = {}
        self.seen: Headers = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.scripted = self  # type: ignore[attr-defined]
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self._server.server_address[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} X\r\n{''.join(lines)}\r\n".encode()


def whole(body: bytes, content_type: str = "application/json", status: int = 200, **headers: str) -> list[bytes]:
    """A body with its length, in one segment."""
    return [head(status, content_type=content_type, content_length=str(len(body)), **headers) + body]


def pieces(
    parts: list[bytes], content_type: str = "text/event-stream", trailers: raw.Headers | None = None, **headers: str
) -> list[bytes]:
    """A chunk and a segment for every part."""
    start = head(content_type=content_type, transfer_encoding="chunked", **headers)
    return [start, *(b"%x\r\n%s\r\n" % (len(part), part) for part in parts), raw.chunked([], trailers or [])]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        scripted: Scripted = self.server.scripted  # type: ignore[attr-defined]
        scripted.seen = {name.lower(): value for name, value in self.headers.items()}
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position, segment in enumerate(scripted.answers[self.path]):
            if position:
                time.sleep(PAUSE_S)
            self.wfile.write(segment)
            self.wfile.flush()

    do_GET = do_DELETE = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at what the client sees."""
