"""Many calls at once over kept connections, each with a marker of its own, and what became of each."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from support import evidence, mcp

DENIED_TOOL = "forbidden"
DECISION = re.compile(rb'"io\.interdict/decision_id":"([0-9a-f-]{36})"')
MARKER = re.compile(rb'"marker":"(m-\d+)"')
TOKEN_SECONDS = 200


@dataclass(frozen=True)
class Road:
    """One way to a tool server: the agent that takes it, and the tenant whose log it is recorded in."""

    tenant: str
    path: str
    agent: str
    resource: str


@dataclass
class Seen:
    """What the clients saw."""

    sent: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    allowed: set[str] = field(default_factory=set)
    denied: dict[str, str] = field(default_factory=dict)
    """Marker to the decision id that the caller was told."""
    odd: list[str] = field(default_factory=list)

    @property
    def decided(self) -> int:
        return len(self.allowed) + len(self.denied)


class Load:
    """Calls without a pause, until the decision point has answered `wanted` of them or `end` is called."""

    def __init__(
        self, port: int, roads: list[Road], token: Callable[[str, str], str], wanted: int, *, seed: int
    ) -> None:
        self.seen = Seen()
        self._port = port
        self._roads = roads
        self._mint = token
        self._wanted = wanted
        self._dice = random.Random(seed)
        self._numbers = itertools.count()
        self._tokens: dict[str, tuple[float, str]] = {}
        self._ended = False

    def end(self) -> None:
        self._ended = True

    async def run(self, connections: int) -> None:
        await asyncio.gather(*(self._connection() for _ in range(connections)))

    async def _connection(self) -> None:
        """Calls one after the other; whatever breaks the connection breaks one call, which nobody repeats."""
        stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self.seen.decided < self._wanted and not self._ended:
            stream = stream or await asyncio.open_connection("127.0.0.1", self._port)
            marker = f"m-{next(self._numbers)}"
            denied = self._dice.random() < 0.4
            try:
                stream[1].write(self._request(marker, denied))
                status, body, close = await asyncio.wait_for(_answer(stream[0]), 60)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.seen.kinds[f"broken: {type(error).__name__}"] += 1
                close = True
            else:
                await self._judge(marker, denied, status, body)
            if close:
                stream[1].close()
                stream = None
        if stream:
            stream[1].close()

    def _request(self, marker: str, denied: bool) -> bytes:
        road = self._dice.choice(self._roads)
        body = mcp.call(self.seen.sent, DENIED_TOOL if denied else "welcome", {"marker": marker})
        self.seen.sent += 1
        headers = [("host", "localhost"), *mcp.headers(body, token=self._token(road))]
        lines = [f"POST {road.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body

    def _token(self, road: Road) -> str:
        until, token = self._tokens.get(road.agent, (0.0, ""))
        if time.monotonic() > until:
            token = self._mint(road.agent, road.resource)
            self._tokens[road.agent] = (time.monotonic() + TOKEN_SECONDS, token)
        return token

    async def _judge(self, marker: str, denied: bool, status: int, body: bytes) -> None:
        if not denied and status == 200 and b'"isError":false' in body:
            self.seen.kinds["allowed"] += 1
            self.seen.allowed.add(marker)
        elif denied and b"policy.tests_deny" in body and (told := DECISION.search(body)):
            self.seen.kinds["denied"] += 1
            self.seen.denied[marker] = told[1].decode()
        elif b'"enforcer.' in body:
            # Nobody there to decide: refused, and nothing to record it.
            self.seen.kinds["no decision point"] += 1
            await asyncio.sleep(0.005)
        else:
            self.seen.odd.append(f"{marker} ({'denied' if denied else 'allowed'} tool): {status} {body[:300]!r}")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection ends."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    length = re.search(r"\r\ncontent-length: (\d+)", head)
    if length:
        body = await reader.readexactly(int(length[1]))
    else:
        body = await _chunks(reader)
    return status, body, "\r\nconnection: close" in head


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def roads() -> list[Road]:
    """Three of four calls are acme's."""
    acme = Road("acme", "/mcp", "alice", "https://tools.test/mcp")
    return [acme, acme, acme, Road("globex", evidence.OTHER_PATH, "gina", evidence.OTHER_RESOURCE)]
