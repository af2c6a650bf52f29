"""A tool server in the test's own process that ends its answers in every way there is; the path says which."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

from support.loopback import Loopback


def message(request: dict[str, Any], **said: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request.get("id"), **said}).encode()


def event(data: bytes) -> bytes:
    return b"event: message\r\ndata: " + data + b"\r\n\r\n"


PROGRESS = event(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')


class Performer(Loopback):
    """Listens on a loopback port; the second event of `/mcp/slow` waits until `go_on` is set, as it is at first."""

    def __init__(self) -> None:
        self.go_on = Event()
        self.go_on.set()
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes; with Nagle's algorithm the second waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = self.path.rpartition("/")[2].replace("-", "_")
        perform: Callable[[dict[str, Any]], None] = getattr(self, f"_perform_{kind}")
        perform(request)

    def _perform_result(self, request: dict[str, Any]) -> None:
        self._whole("application/json", message(request, result={"content": []}))

    def _perform_tool_error(self, request: dict[str, Any]) -> None:
        self._whole("application/json; charset=utf-8", message(request, result={"content": [], "isError": True}))

    def _perform_error(self, request: dict[str, Any]) -> None:
        said = message(request, error={"code": -32602, "message": "no such tool"})
        self._whole("application/json", said, status=400)

    def _perform_accepted(self, _request: dict[str, Any]) -> None:
        self._whole("application/json", b"", status=202)

    def _perform_page(self, _request: dict[str, Any]) -> None:
        self._whole("text/html", b"<h1>Not found</h1>", status=404)

    def _perform_huge(self, request: dict[str, Any]) -> None:
        self._whole("application/json", message(request, result={"text": "x" * 300_000}))

    def _perform_stream(self, request: dict[str, Any]) -> None:
        said = b": hello\n\n" + PROGRESS * 2000 + event(message(request, result={"isError": True})) + PROGRESS
        self._whole("text/event-stream", said)

    def _perform_slow(self, request: dict[str, Any]) -> None:
        self._head("text/event-stream", None)
        self._chunk(PROGRESS)
        self.server.of.go_on.wait(60)  # type: ignore[attr-defined]
        self._chunk(event(message(request, result={})))
        self._chunk(b"")

    def _perform_cut(self, _request: dict[str, Any]) -> None:
        self._head("application/json", 100)
        self.wfile.write(b'{"jsonrpc":"2.0",')
        self.wfile.flush()
        self.close_connection = True

    def _perform_nothing(self, _request: dict[str, Any]) -> None:
        self.close_connection = True

    def _whole(self, content_type: str, body: bytes, *, status: int = 200) -> None:
        self._head(content_type, len(body), status)
        self.wfile.write(body)

    def _head(self, content_type: str, length: int | None, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        if length is None:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(length))
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test looks at what the client sees."""
