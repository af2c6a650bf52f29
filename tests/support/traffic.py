"""A reproducible mix of calls, and the ways in which their bytes can be cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from support import mcp, raw
from support.canary import expected_answer

DENIED_TOOL = "forbidden"
ALLOWED_TOOL = "welcome"


@dataclass(frozen=True)
class Call:
    """One request and what has to become of it."""

    kind: str
    body: bytes
    allowed: bool
    headers: mcp.Headers = field(compare=False)
    path: str = "/mcp"


def calls(count: int, token: str, *, seed: int = 7) -> list[Call]:
    """`count` different requests, about half of them allowed."""
    dice = random.Random(seed)
    return [_call(number, token, dice) for number in range(count)]


def _call(number: int, token: str, dice: random.Random) -> Call:
    era = dice.choice((mcp.LEGACY, mcp.LEGACY, mcp.MODERN))
    kind = dice.choices(
        ("allowed", "allowed-sse", "denied", "notification", "twice", "broken", "anonymous", "unknown-method"),
        (40, 8, 30, 6, 5, 4, 4, 3),
    )[0]
    arguments = {"n": number, "text": _text(dice), "deep": {"list": [1, 2.5, None, True, {"é": "ß€𝄞"}]}}
    ident: int | str = dice.choice((number, f"call-{number}", f'"{number}"'))
    path = "/mcp-sse" if kind == "allowed-sse" else "/mcp"
    if kind == "denied":
        return _finish(kind, mcp.call(ident, DENIED_TOOL, arguments, era=era), False, token, era)
    if kind == "notification":
        body = mcp.notification("notifications/cancelled", {"requestId": number, "reason": _text(dice)})
        return _finish(kind, body, True, token, mcp.LEGACY)
    good = mcp.call(ident, ALLOWED_TOOL, arguments, era=era)
    if kind == "twice":  # two readings: what is judged is not what the server would run
        return _finish(
            kind,
            good.replace(b'"params":{', b'"params":{"name":"' + DENIED_TOOL.encode() + b'",', 1),
            False,
            token,
            era,
        )
    if kind == "broken":
        return Call(
            kind,
            dice.choice((good[:-1], good + b"{}", b"\xef\xbb\xbf" + good, good.replace(b"n", b"\xff", 1))),
            False,
            mcp.headers(good, token=token, era=era),
        )
    if kind == "anonymous":
        return _finish(kind, good, False, None, era)
    if kind == "unknown-method":
        return _finish(kind, mcp.request(ident, f"tools/run{number}", arguments), False, token, mcp.LEGACY)
    return _finish(kind, good, True, token, era, path)


def _finish(kind: str, body: bytes, allowed: bool, token: str | None, era: str, path: str = "/mcp") -> Call:
    # The header list is made from a body that parses: the "twice" body still does.
    headers = mcp.headers(body, token=token, era=era)
    return Call(kind, body, allowed, headers, path)


def _text(dice: random.Random) -> str:
    length = dice.choice((0, 3, 40, 300, 3_000, 20_000) if dice.random() < 0.2 else (0, 3, 40, 300))
    return "".join(dice.choices('abc xyz\\"/\n\té€𝄞\u2028', k=length))


def borders(body: bytes, dice: random.Random) -> list[int]:
    """Offsets at which to cut: inside characters and escapes, around names, everywhere, or nowhere."""
    style = dice.choice(("whole", "halves", "bytes", "characters", "names", "random", "last"))
    size = len(body)
    if style == "whole" or size < 2:
        return []
    if style == "halves":
        return [size // 2]
    if style == "bytes":
        return list(range(1, min(size, 60)))
    if style == "characters":  # after the first byte of a character of several bytes, and after a backslash
        return [at + 1 for at, byte in enumerate(body) if byte >= 0xC0 or byte == 0x5C][:40]
    if style == "names":
        at = body.find(b'"name"')
        return [at, at + 1, at + 6, at + 9, at + 12] if at > 0 else [1]
    if style == "last":
        return [size - 1]
    return sorted(dice.sample(range(1, size), min(size - 1, 8)))


@dataclass
class Observed:
    """What a client got for one call, and anything that is wrong with it."""

    call: Call
    reply: raw.Reply | None
    problem: str | None = None


def judge(call: Call, reply: raw.Reply) -> str | None:
    """Why this reply is not the one that the call must get; None when it is."""
    if call.allowed:
        if call.kind == "notification":
            return (
                None
                if (reply.status, reply.body) == (202, b"")
                else f"notification answered {reply.status} {reply.body[:200]!r}"
            )
        wanted = expected_answer(call.body, sse=call.path.endswith("-sse"))
        if reply.status != 200 or reply.body != wanted:
            return f"allowed call: status {reply.status}, body {reply.body[:300]!r}, wanted {wanted[:100]!r}"
        return None
    if b'"isError":false' in reply.body or reply.status == 202:
        return f"refused call looks successful: {reply.status} {reply.body[:300]!r}"
    if call.kind == "denied" and (reply.status != 200 or b'"isError":true' not in reply.body.replace(b" ", b"")):
        return f"denied call: status {reply.status}, body {reply.body[:300]!r}"
    if call.kind == "anonymous" and reply.status != 401:
        return f"call without a token: status {reply.status}"
    return None


async def drive_http1(port: int, work: Sequence[Call], *, seed: int = 1) -> list[Observed]:
    """All calls over one HTTP/1.1 connection (a new one when the other side closes), cut at odd places."""
    dice = random.Random(seed)
    seen: list[Observed] = []
    connection: raw.Http1 | None = None
    for call in work:
        connection = connection or await raw.Http1.connect(port)
        pieces = raw.cut(call.body, borders(call.body, dice))
        headers = [("host", "localhost"), *call.headers]
        if dice.random() < 0.4:
            trailers = [("x-trailer", "1")] if dice.random() < 0.5 else []
            wire = raw.http1_head("POST", call.path, [*headers, ("transfer-encoding", "chunked")]) + raw.chunked(
                pieces, trailers
            )
            writes = raw.cut(
                wire, dice.sample(range(1, len(wire)), min(6, len(wire) - 1)) if dice.random() < 0.5 else []
            )
        else:
            head = raw.http1_head("POST", call.path, [*headers, ("content-length", str(len(call.body)))])
            writes = [head + (pieces[0] if pieces else b""), *pieces[1:]] if dice.random() < 0.5 else [head, *pieces]
        try:
            await connection.send(writes)
            reply = await connection.receive()
            seen.append(Observed(call, reply, judge(call, reply)))
            if (reply.header("connection") or "").lower() == "close":
                await connection.close()
                connection = None
        except (ConnectionError, OSError) as error:
            seen.append(Observed(call, None, f"connection failed: {error!r}"))
            connection = None
    if connection is not None:
        await connection.close()
    return seen


async def drive_http2(port: int, work: Sequence[Call], *, streams: int = 12, seed: int = 2) -> list[Observed]:
    """All calls over one HTTP/2 connection, `streams` at a time, cut at odd places, some with trailers."""
    dice = random.Random(seed)
    connection = await raw.Http2.connect(port)
    waiting = iter(work)
    seen: list[Observed] = []

    async def worker() -> None:
        for call in waiting:
            pieces = raw.cut(call.body, borders(call.body, dice))
            trailers = [("x-trailer", "1")] if dice.random() < 0.25 else None
            headers = [*call.headers, ("content-length", str(len(call.body)))] if dice.random() < 0.5 else call.headers
            try:
                reply = await connection.request(
                    "POST", call.path, headers, pieces, trailers=trailers, end_alone=dice.random() < 0.25
                )
                seen.append(Observed(call, reply, judge(call, reply)))
            except (ConnectionError, OSError) as error:
                seen.append(Observed(call, None, f"connection failed: {error!r}"))

    await asyncio.gather(*(worker() for _ in range(streams)))
    await connection.close()
    return seen


async def drive(port: int, work: Sequence[Call]) -> list[Observed]:
    """Half over four HTTP/1.1 connections, half over two HTTP/2 connections, all at once."""
    drivers = [drive_http1(port, work[part::8], seed=part) for part in range(4)]
    drivers += [drive_http2(port, [*work[part::8], *work[part + 2 :: 8]], seed=part) for part in (4, 5)]
    return [item for batch in await asyncio.gather(*drivers) for item in batch]
