"""MCP requests as bytes and headers, for tests that speak HTTP themselves."""

from __future__ import annotations

import json
from typing import Any

LEGACY = "2025-11-25"
MODERN = "2026-07-28"

Headers = list[tuple[str, str]]


def call(ident: int | str, tool: str, arguments: dict[str, Any] | None = None, *, era: str = LEGACY) -> bytes:
    """A `tools/call` request."""
    return request(ident, "tools/call", {"name": tool, "arguments": arguments or {}}, era=era)


def request(ident: int | str, method: str, params: dict[str, Any] | None = None, *, era: str = LEGACY) -> bytes:
    params = dict(params or {})
    if era == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "interdict-tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return encode({"jsonrpc": "2.0", "id": ident, "method": method, "params": params})


def notification(method: str, params: dict[str, Any] | None = None) -> bytes:
    return encode({"jsonrpc": "2.0", "method": method, "params": params or {}})


def encode(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def headers(body: bytes, *, token: str | None = None, era: str = LEGACY) -> Headers:
    """What an SDK client sends along with this body."""
    found: Headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", era),
    ]
    if token:
        found.append(("authorization", f"Bearer {token}"))
    if era == MODERN:
        message = json.loads(body)
        found.append(("mcp-method", message["method"]))
        name = message.get("params", {}).get("name") or message.get("params", {}).get("uri")
        if name:
            found.append(("mcp-name", name))
    return found
