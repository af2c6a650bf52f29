"""One text or document with what is known about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

LONGEST = 64 * 1024
"""Bytes of a text; longer ones are cut."""


@dataclass
class Case:
    """`corpus` names where it is from; `part` a subset that is counted by itself."""

    corpus: str
    part: str
    text: str | None = None
    document: Any = None
    definition: bool = False
    tools: list[str] = field(default_factory=list)
    expected: frozenset[str] = frozenset()
    """Classes of values that are in it, for the corpora of secrets and personal data."""

    def line(self) -> str:
        """What the judge reads."""
        case: dict[str, Any] = {}
        if self.text is not None:
            case["text"] = self.text.encode(errors="replace").decode()[:LONGEST]
        else:
            case["json"] = self.document
        if self.definition:
            case["definition"] = True
        if self.tools:
            case["tools"] = self.tools
        return json.dumps(case)


def texts(corpus: str, part: str, of: Iterator[str] | list[str]) -> Iterator[Case]:
    """One case per text that is not empty."""
    for text in of:
        if text and text.strip():
            yield Case(corpus, part, text=text)


def folder(package: str) -> Path:
    """Where the package's files are."""
    import importlib.util

    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations, package
    return Path(next(iter(spec.submodule_search_locations)))


def named(distribution: str) -> str:
    """Name and version, as it stands in the results."""
    return f"{distribution} {version(distribution)}"
