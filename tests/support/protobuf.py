"""Just enough of the protobuf wire format to write a CheckResponse and to read a CheckRequest in tests.

By hand on purpose: what a hostile decision point sends has to include messages that no generated code would produce.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

Value = int | bytes


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: int | bytes | str) -> bytes:
    """One field: a varint for an integer, length-delimited for text, bytes and nested messages."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message in order; fixed-width ones as bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(kind)
        length = varint() if size is None else size
        yield key >> 3, message[at : at + length]
        at += length


def get(message: bytes, *path: int) -> bytes:
    """The last length-delimited field along `path`, empty when there is none."""
    for number in path:
        found = [value for key, value in fields(message) if key == number and isinstance(value, bytes)]
        if not found:
            return b""
        message = found[-1]
    return message


def string_map(message: bytes, number: int) -> dict[str, bytes]:
    """A `map<string, string>` field."""
    return {
        get(entry, 1).decode(): get(entry, 2)
        for key, entry in fields(message)
        if key == number and isinstance(entry, bytes)
    }


# --- envoy.service.auth.v3 --------------------------------------------------------------------------------------------


def struct(values: dict[str, str]) -> bytes:
    """google.protobuf.Struct with string leaves."""
    return b"".join(field(1, field(1, name) + field(2, field(3, text))) for name, text in values.items())


def ok_response(metadata: dict[str, str] | None = None) -> bytes:
    """CheckResponse: status code 0 and an ok_response."""
    status = field(1, b"")
    return status + field(3, b"") + (field(4, struct(metadata)) if metadata else b"")


def allowing(**enforcement: object) -> bytes:
    """What the decision point sends for an Allow, with members of the enforcement changed."""
    told = {
        "v": 1,
        "decision_id": "fake-1",
        "verdict": "allow",
        "reason": "policy.fake",
        "obligations": [],
        **enforcement,
    }
    plain = {key: str(told[key]) for key in ("decision_id", "verdict", "reason")}
    return ok_response({**plain, "enforcement": json.dumps(told)})


def denied_response(http_status: int, body: str, *, grpc_code: int = 7) -> bytes:
    """CheckResponse: a gRPC status and a denied_response."""
    return field(1, field(1, grpc_code)) + field(2, field(1, field(1, http_status)) + field(3, body))


def request_body(check_request: bytes) -> bytes:
    """attributes.request.http.raw_body of a CheckRequest."""
    return get(check_request, 1, 4, 2, 12)


# --- interdict.v1.Outcomes --------------------------------------------------------------------------------------------

ENDED = ("", "complete", "reset", "local_reply")
RPC = ("", "result", "tool_error", "error", "none", "unread")
TREATED = ("", "untouched", "edited", "refused", "quarantined")


@dataclass(frozen=True)
class Outcome:
    decision_id: str
    http_status: int
    bytes: int
    duration_us: int
    ended: str
    rpc: str
    rpc_code: int | None
    grpc_status: int | None
    treated: str = ""
    treated_reason: str = ""
    found: tuple[tuple[str, int, str], ...] = ()
    rows_cut: int = 0
    seen: tuple[tuple[str, str, str], ...] = ()
    """Kind, name and state."""
    quarantined: tuple[tuple[str, str, bytes], ...] = ()
    """Handle, reason and original."""


def outcomes(report_request: bytes) -> list[Outcome]:
    """The outcomes of a ReportRequest."""
    return [_outcome(value) for key, value in fields(report_request) if key == 1 and isinstance(value, bytes)]


def hostile(report_request: bytes) -> list[str]:
    """The decisions that a ReportRequest warns of."""
    return [value.decode() for key, value in fields(report_request) if key == 2 and isinstance(value, bytes)]


def _outcome(message: bytes) -> Outcome:
    found = dict(fields(message))

    def number(key: int) -> int:
        value = found.get(key, 0)
        assert isinstance(value, int)
        return value

    def parts(key: int) -> list[bytes]:
        return [value for at, value in fields(message) if at == key and isinstance(value, bytes)]

    def text(part: bytes, key: int) -> str:
        return get(part, key).decode()

    def count(part: bytes) -> int:
        value = dict(fields(part)).get(2, 0)
        assert isinstance(value, int)
        return value

    code = number(7)
    return Outcome(
        get(message, 1).decode(),
        number(2),
        number(3),
        number(4),
        ENDED[number(5)],
        RPC[number(6)],
        (code >> 1) ^ -(code & 1) if 7 in found else None,
        number(8) if 8 in found else None,
        TREATED[number(10)],
        text(message, 11),
        tuple((text(part, 1), count(part), text(part, 3)) for part in parts(9)),
        number(12),
        tuple((text(part, 1), text(part, 2), text(part, 4)) for part in parts(13)),
        tuple((text(part, 1), text(part, 2), get(part, 3)) for part in parts(14)),
    )
