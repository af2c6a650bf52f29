"""Both implementations of Rego, asked about the same input documents."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import paths

OPA = paths.CACHE / "tools" / "bin" / "opa"
OPA_SETS = paths.CACHE / "tools" / "bin" / "opa-sets"
POLICIES = paths.PROJECT / "policies"

# The sets that decide; `mistake` is read once, when a bundle is loaded.
DECIDING = ("allow", "deny", "intercept", "obligation")


@dataclass(frozen=True)
class Said:
    """What an engine says about one set: its elements, or that it cannot tell."""

    elements: frozenset[str] | None = None
    error: str = ""

    def __str__(self) -> str:
        return f"error: {self.error.strip()}" if self.elements is None else f"{sorted(self.elements)}"


@dataclass(frozen=True)
class Opinion:
    """About one document: by topic and set. Without sets, why the document cannot be judged at all."""

    sets: dict[str, Said]
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    unreadable: str = ""


def interdict(roots: Sequence[Path], documents: Iterable[str], engine: str = "deciding") -> list[Opinion]:
    """By `interdict policy eval`, with the engines that decide."""
    command = [
        paths.interdict_binary(),
        "policy",
        "eval",
        *roots,
        "--input",
        "-",
        "--format",
        "json",
        "--engine",
        engine,
    ]
    return [_by_interdict(line) for line in _run(command, documents)]


def opa(roots: Sequence[Path], documents: Iterable[str]) -> list[tuple[Opinion, Opinion]]:
    """By OPA: with every error raised, and as it comes."""
    lines = _run([OPA_SETS, *roots], documents)
    return [
        (Opinion({}, unreadable=line["unreadable"]),) * 2
        if "unreadable" in line
        else (_by_opa(line["strict"]), _by_opa(line["plain"]))
        for line in lines
    ]


def _run(command: Sequence[str | Path], documents: Iterable[str]) -> list[dict[str, Any]]:
    text = "".join(f"{document}\n" for document in documents)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _by_interdict(line: dict[str, Any]) -> Opinion:
    if "unreadable" in line:
        return Opinion({}, "deny", (), line["unreadable"])
    sets = {}
    for topic, of_topic in line["sets"].items():
        for name, said in of_topic.items():
            sets[f"{topic}.{name}"] = (
                _elements(said["elements"])
                if "elements" in said
                else Said(error=f"{said['error']['code']} {said['error']['engine'] or ''}")
            )
    decision = line["decision"]
    return Opinion(sets, decision["verdict"], tuple(reason["code"] for reason in decision["reasons"]))


def _by_opa(answers: dict[str, dict[str, dict[str, Any]]]) -> Opinion:
    sets = {}
    for topic, of_topic in answers.items():
        for name, said in of_topic.items():
            if said.get("undefined"):
                sets[f"{topic}.{name}"] = Said(error="undefined")
            elif "error" in said:
                sets[f"{topic}.{name}"] = Said(error=said["error"])
            else:
                sets[f"{topic}.{name}"] = _elements(said["elements"])
    return Opinion(sets)


def _elements(elements: list[Any]) -> Said:
    """Sets have no order; as text, so that true is not 1. A number is its value, however it is written."""
    return Said(frozenset(json.dumps(_plain(element), sort_keys=True) for element in elements))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
