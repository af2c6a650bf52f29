"""Values that nobody may find again: made up by the tests, remembered, and looked for in everything that was written."""

from __future__ import annotations

import base64
import functools
import json
import random
import string
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Planted:
    """Makes values of several classes, no two alike, and remembers them all."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self.values: list[str] = []

    def keep(self, value: str) -> str:
        """Remembers a value of the test's own."""
        self.values.append(value)
        return value

    def pan(self) -> str:
        """A Visa number with its Luhn digit."""
        return self._new(lambda: with_luhn("4" + self._digits(14)))

    def iban(self) -> str:
        return self._new(lambda: with_mod97("DE", self._digits(18)))

    def token(self) -> str:
        """A GitHub token with its checksum."""
        body = "".join(self._random.choices(BASE62, k=30))
        return self.keep(f"ghp_{body}{_base62(zlib.crc32(body.encode()), 6)}")

    def badge(self) -> str:
        """Of the class `badge`, which is the operator's own (`support.content`)."""
        return self._new(lambda: f"BDG-{self._digits(12)}")

    def ticket(self) -> str:
        """Of the class `ticket`, the operator's own as well."""
        return self._new(lambda: f"TKT-{self._digits(12)}")

    def _digits(self, count: int) -> str:
        return "".join(self._random.choices(string.digits, k=count))

    def _new(self, made: Callable[[], str]) -> str:
        return self.keep(next(value for value in iter(made, None) if value not in self.values))

    def found_in(self, data: bytes) -> list[str]:
        """The values that these bytes hold, in whatever spelling."""
        parts = {data[at : at + PART] for at in range(0, len(data), PART)}
        return [value for value in self.values if _is_in(value, data, parts)]

    def found_below(self, *folders: Path) -> list[tuple[Path, str]]:
        """Every file that holds one of the values."""
        files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
        return [(file, value) for file in files for value in self.found_in(file.read_bytes())]


PART = 8


def _is_in(value: str, data: bytes, parts: set[bytes]) -> bool:
    """Whatever is long enough has one of the `parts` of the data in it, if it is in there: few have, and are looked for."""
    possible = (spelled for spelled in spellings(value) if not parts.isdisjoint(_parts(spelled)))
    return any(spelled in data for spelled in possible)


@functools.cache
def _parts(spelled: bytes) -> frozenset[bytes]:
    """What can be a part of data that holds this, wherever it begins."""
    assert len(spelled) >= 2 * PART - 1, "too short to be looked for by its parts"
    return frozenset(spelled[at : at + PART] for at in range(PART))


@functools.cache
def spellings(value: str) -> frozenset[bytes]:
    """How a value may have been written down by something that did not mean to."""
    plain = value.encode()
    said = {
        value,
        json.dumps(value)[1:-1],
        urllib.parse.quote(value, safe=""),
        "".join(f"%{byte:02X}" for byte in plain),
        "".join(f"\\u{ord(letter):04x}" for letter in value),
        plain.hex(),
        plain.hex().upper(),
        ", ".join(map(str, plain)),
        ",".join(map(str, plain)),
        " ".join(value),
        *grouped(value),
        *_base64(plain),
    }
    return frozenset({text.encode() for text in said} | {value.encode("utf-16-le"), value.encode("utf-16-be")})


def grouped(value: str) -> Iterator[str]:
    """As people write long numbers, and without the marks between their parts."""
    bare = "".join(filter(str.isalnum, value))
    for gap in (" ", "-"):
        yield gap.join(bare[at : at + 4] for at in range(0, len(bare), 4))
    yield bare


def _base64(plain: bytes) -> Iterator[str]:
    """What every base64 of a text with the value in it holds, wherever the value begins."""
    for before in range(3):
        whole = (before + len(plain)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + plain).decode()[(before * 8 + 5) // 6 : whole]


def with_luhn(digits: str) -> str:
    total = sum(sum(divmod(int(digit) * (2 - at % 2), 10)) for at, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def with_mod97(country: str, account: str) -> str:
    number = "".join(str(int(letter, 36)) for letter in f"{account}{country}00")
    return f"{country}{98 - int(number) % 97:02}{account}"


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(width, "0")


def halves(value: str) -> Iterable[str]:
    middle = len(value) // 2
    return value[:middle], value[middle:]
