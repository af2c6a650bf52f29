"""A tool server in the test's own process that writes exactly the bytes that a test put down for a path, segment by
segment."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from threading import Event

from support import raw
from support.loopback import Loopback

Headers = dict[str, str]

PAUSE_S = 0.05
"""Between two segments, so that they arrive one by one."""


class Scripted(Loopback):
    """Listens on a loopback port; `answers` says what comes for a path, `seen` what the last request's headers were.

    What comes after an event of `threading` waits until that is set.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Sequence[bytes | Event]] = {}
        self.seen: Headers = {}
        super().__init__(_Handler)


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
        scripted: Scripted = self.server.of  # type: ignore[attr-defined]
        scripted.seen = {name.lower(): value for name, value in self.headers.items()}
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position, segment in enumerate(scripted.answers[self.path]):
            if isinstance(segment, Event):
                segment.wait(60)
                continue
            if position:
                time.sleep(PAUSE_S)
            self.wfile.write(segment)
            self.wfile.flush()

    do_GET = do_DELETE = do_OPTIONS = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at what the client sees."""
