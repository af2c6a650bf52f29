"""Calls with values in them, a decision point that looks into them, and what arrives at the tool server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support import content
from support import interdict as decision_point
from support.envoy import Address
from support.servers import Canary
from support.stack import Stack

VAULT = "https://vault.test/mcp"
CANARY = "Harbour-Lantern 7712 Quince"
EXACT_KEY = bytes(range(32))
EXACT_HASH = hmac.digest(EXACT_KEY, b"harbourlantern7712quince", hashlib.sha256)
CONTENT: dict[str, Any] = {
    "patterns": content.PATTERNS,
    # As `examples/exact_set.rs` makes it of one value, but without a filter.
    "exact": [
        {
            "class": "canary",
            "key": EXACT_KEY.hex(),
            "hashes": base64.b64encode(EXACT_HASH[:8]).decode(),
            "words": 4,
        }
    ],
    "rules": [
        {"classes": ["card"], "direction": "request", "action": "redact"},
        {"classes": ["secret"], "direction": "request", "action": "deny"},
        {"classes": ["account"], "direction": "request", "action": "ask"},
        {"classes": ["badge"], "direction": "request", "action": "tokenise"},
        {"classes": ["badge"], "servers": ["vault"], "direction": "request", "action": "allow"},
        {"classes": ["ticket"], "direction": "request", "action": "count"},
        {"classes": ["canary"], "direction": "request", "action": "deny"},
    ],
    "accumulate": [{"classes": ["ticket"], "distinct": 3, "action": "deny"}],
}
CONTRACTS = [
    content.contract("give", ["pay"], value={"path": ["amount"], "totals": [{"window": "1h", "per": ["to"], "max": 9}]}),
    content.contract(
        "tell", ["send"], recipients={"paths": [["to", "*"]], "totals": [{"window": "1h", "max": 3}]}
    ),
]
MARK = re.compile(r"\[\[dlp:pan:[0-9a-f]{6}\]\]")
TOKEN = re.compile(r"\[\[tok:badge:[\w-]+\]\]")


def servers() -> list[dict[str, Any]]:
    """`vault` may see badges."""
    return [decision_point.server(), decision_point.server("vault", paths=["/vault"], resource=VAULT)]


@contextmanager
def started(
    mode: str, folder: Path, upstream: Address, adjust: Callable[[dict[str, Any]], None] | None = None
) -> Iterator[Stack]:
    with content.running(
        mode,
        folder / mode,
        upstream,
        CONTENT,
        agents=content.AGENTS,
        servers=servers(),
        contracts=CONTRACTS,
        adjust=adjust,
    ) as running:
        yield running


def reason(answer: httpx.Response) -> str:
    message = json.loads(answer.content)
    if "error" in message:
        return str(message["error"]["data"]["reason"])
    return str(message["result"].get("_meta", {}).get("io.interdict/reason", "none"))


def arrived(canary: Canary) -> list[bytes]:
    return [request.body for request in canary.requests()]


def one(canary: Canary) -> dict[str, Any]:
    """The one request that arrived, which is JSON."""
    [body] = arrived(canary)
    message: dict[str, Any] = json.loads(body)
    return message


def encoded(value: str) -> str:
    return base64.b64encode(f"number: {value}; thanks".encode()).decode()


def percent(value: str) -> str:
    return "".join(f"%{byte:02x}" for byte in value.encode())


def spaced(value: str) -> str:
    return " ".join(value[at : at + 4] for at in range(0, 16, 4))
