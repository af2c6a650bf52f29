"""A tool server in the test's own process, made of the standard library's parts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self


class Loopback:
    """Listens on a loopback port until the end of its `with`; a handler finds it as `self.server.of`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.of = self  # type: ignore[attr-defined]
        Thread(target=self._server.serve_forever, daemon=True).start()

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


@contextmanager
def nobody() -> Iterator[tuple[str, int]]:
    """An address where nobody listens, and nobody else can meanwhile: a port that was let go may be another test's."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield ("127.0.0.1", held.getsockname()[1])
