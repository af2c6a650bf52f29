"""A Wasm module that traps on every request: what a bug in any filter would do to its VM."""

from __future__ import annotations

I32, END, UNREACHABLE = b"\x7f", b"\x0b", b"\x00"


def module() -> bytes:
    """A proxy-wasm module whose `proxy_on_request_headers` is a single `unreachable`."""
    types = [_type(0, 0), _type(1, 1), _type(2, 0), _type(2, 1), _type(3, 1)]
    one = b"\x41\x01"  # i32.const 1
    functions = {  # name: (type, body)
        "proxy_abi_version_0_2_1": (0, b""),
        "proxy_on_memory_allocate": (1, b"\x41\x80\x08"),  # i32.const 1024
        "proxy_on_context_create": (2, b""),
        "proxy_on_vm_start": (3, one),
        "proxy_on_configure": (3, one),
        "proxy_on_request_headers": (4, UNREACHABLE),
    }
    exports = [_name("memory") + b"\x02\x00"] + [_name(name) + b"\x00" + bytes([i]) for i, name in enumerate(functions)]
    bodies = [b"\x00" + body + END for _, body in functions.values()]
    return b"\x00asm\x01\x00\x00\x00" + b"".join(
        [
            _section(1, _vector(types)),
            _section(3, _vector([bytes([kind]) for kind, _ in functions.values()])),
            _section(5, _vector([b"\x00\x01"])),
            _section(7, _vector(exports)),
            _section(10, _vector([_length(len(body)) + body for body in bodies])),
        ]
    )


def _type(parameters: int, results: int) -> bytes:
    return b"\x60" + _vector([I32] * parameters) + _vector([I32] * results)


def _name(text: str) -> bytes:
    return _length(len(text)) + text.encode()


def _vector(items: list[bytes]) -> bytes:
    return _length(len(items)) + b"".join(items)


def _section(ident: int, content: bytes) -> bytes:
    return bytes([ident]) + _length(len(content)) + content


def _length(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
