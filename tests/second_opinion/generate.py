"""Input documents that no vector has: vectors with a member changed, and calls made from a bundle's own data."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import yaml

_MARK = "\ue000number:"  # a private character: no vector and no value below has it


def number(text: str) -> str:
    """A number with exactly these digits; Python would write another form of it."""
    return f"{_MARK}{text}\ue001"


def write(document: Any) -> str:
    """One line of JSON."""
    text = json.dumps(document, ensure_ascii=False)
    return re.sub(f'"{_MARK}([^"\ue001]*)\ue001"', r"\1", text)


NUMBERS = [
    number(text)
    for text in (
        *(
            "0",
            "-0",
            "-0.0",
            "1",
            "-1",
            "0.5",
            "1.0",
            "1e2",
            "1E+2",
            "10000",
            "10000.5",
            "10001",
            "1e4",
            "100000",
            "100001",
        ),
        *("99999.99999999999", "1e5", "100000.0", "0.1", "0.30000000000000004", "1e-7", "5e-324", "1e308", "-1e308"),
        *("9007199254740991", "9007199254740993", "-9007199254740993", "9223372036854775807", "9223372036854775808"),
        *("18446744073709551616", "12345678901234567890123", "1e22", "1e23", "123456789012345678901234567890.0"),
        *("100000.00000000000000000001", "0.99999999999999999999", "1e400", "1e-400", "1" + "0" * 390, "1e999999"),
    )
]
PLAIN: list[Any] = [None, True, False, [], {}, [None], [[]], [1, "1"], {"": ""}, {"amount": 1}, ["EUR"], {"0": "EUR"}]
TEXTS = [
    *(
        "",
        " ",
        "0",
        "1",
        "true",
        "null",
        "EUR",
        "eur",
        "EUR ",
        "ＥＵＲ",
        "EUR\u0000",
        "E\u0301UR",
        "ÉUR",
        "USD",
        "\n",
        "x" * 141,
    ),
    *("é" * 140, "é" * 141, "😀" * 140, "e\u0301" * 70, "ı", "ß", "ſ", "K", "\u202eEUR", "\ufeffEUR", "\U0010ffff"),
    *(
        "DE89370400440532013000",
        "DE89370400440532013000\n",
        "de89370400440532013000",
        "DE٨٩370400440532013000",
        "[1]",
        "{}",
    ),
    *(
        "a@example.com",
        "a@mail.example.com",
        "a@evil.test",
        "A@EXAMPLE.COM",
        "a@example.com.",
        "a@example.com\n",
        "a@-a.example.com",
    ),
    *(
        "a@b@example.com",
        '"a"@example.com',
        "a@xn--bcher-kva.example.com",
        "a@bücher.example.com",
        "a@notexample.com",
        "a@.example.com",
    ),
    *(
        "a@ſub.example.com",
        "a@demo.example",
        "a@x.demo.example",
        "é@example.com",
        "a@example.com, b@evil.test",
        "a@exampleKcom",
    ),
    *(
        "https://example.com",
        "https://example.com/a?b#c",
        "https://example.com:443/",
        "https://example.com:99999/",
        "HTTPS://Example.com",
    ),
    *(
        "http://example.com",
        "https://u@example.com",
        "https://example.com\\@evil.test",
        "https://[::1]/",
        "//example.com",
        "https:example.com",
    ),
    *(
        "https://x.demo.example/é",
        "https://demo.example./",
        "https://demo.example/%0a",
        "ftp://demo.example",
        "https://demo.example/a b",
    ),
    *(
        "drop table x",
        "DROP",
        "dropped",
        "a drop",
        "raindrop",
        "/*!50000DROP*/ x",
        "\\u0044ROP",
        "\\ndrop",
        "x\\u0020drop",
        "de\\x6cete",
    ),
    *(
        "édrop",
        "dropé",
        "drop中",
        "中drop",
        "_drop",
        "drop_",
        "1drop",
        "drop1",
        "ｄｒｏｐ",
        "drop\u0301",
        "\u0301drop",
        "Drop\u200b",
        "purge\u00a0x",
    ),
    *(
        "trunca\u200bte",
        "ſelect; DROP",
        "delete\u2028from",
        "DELETE;",
        "tRuNcAtE",
        "purKe",
        "٣drop",
        "drop٣",
        "²drop",
        "drop‿",
        "\u00aadrop",
        "ſdrop",
        "dropK",
    ),
    *(
        "file:///public/a",
        "file:///public/../b",
        "file:///public/%2e",
        "file:///public/\\b",
        "FILE:///public/a",
        "demo://",
        "tools/call",
    ),
    *(
        "2026-07-28T10:00:00.000Z",
        "tools/list",
        "tasks/get",
        "ping",
        "bank",
        "files",
        "ledger",
        "transfer",
        "*",
        "read_file",
        "search_",
        "search_x",
    ),
]
# Moments on both sides of every hour that a bundle may name, of the changes of summer time, and of what a clock can hold.
MOMENTS = [
    *(1785193200000 + hour * 3_600_000 + shift for hour in range(0, 169, 3) for shift in (-60_000, 0, 59_999)),
    *(1774745999999, 1774746000000, 1792889999999, 1792890000000, 0, -1, -62135596800000, 253402300799999),
    *(9223372036854, 9223372036855, 9223372036854775807, -9223372036855),
]


def values(random: Random) -> Any:
    if random.random() < 0.15:
        return random.choice(MOMENTS)
    return copy.deepcopy(random.choice(random.choice((NUMBERS, PLAIN, TEXTS))))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member and element, however deep."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from places(member, (*path, name))


def mutants(documents: list[Any], count: int, random: Random) -> Iterator[str]:
    """Documents with one to three members changed, taken out, renamed, wrapped or added."""
    for _ in range(count):
        document = copy.deepcopy(random.choice(documents))
        for _ in range(random.choice((1, 1, 2, 3))):
            mutate(document, random)
        yield write(document)


def mutate(document: Any, random: Random) -> None:
    *way, last = random.choice(list(places(document)) or [()]) or (None,)
    holder = document
    for name in way:
        holder = holder[name]
    if last is None:
        return
    match random.randrange(6):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, dict):
            holder[f"{last} "] = holder.pop(last)
        case 2:
            holder[last] = [holder[last]]
        case 3 if isinstance(holder, dict):
            holder[random.choice(TEXTS)] = values(random)
        case _:
            holder[last] = values(random)


def calls(documents: list[Any], data: dict[str, Any], count: int, random: Random) -> Iterator[str]:
    """Calls of the tools that the data has rules about, with the arguments that the rules read."""
    tools = sorted(
        {
            (server, tool)
            for topic in ("limits", "destructive")
            for server, of in data.get(topic, {}).items()
            for tool in of
        }
        | {(server, tool) for server, of in data.get("destinations", {}).get("tools", {}).items() for tool in of}
        | {(server, tool) for server, hours in data.get("hours", {}).items() for tool in hours.get("tools", [])}
    )
    usual = [document for document in documents if "tool" in document["mcp"]]
    for _ in range(count):
        document = copy.deepcopy(random.choice(usual))
        server, tool = random.choice(tools)
        document["server"]["id"], document["mcp"]["tool"] = server, tool
        document["agent"]["roles"] = random.sample(sorted(data["roles"]), 1)
        document["time"]["unix_ms"] = random.choice(MOMENTS)
        document["mcp"]["arguments"] = arguments(data, server, tool, random)
        yield write(document)


def arguments(data: dict[str, Any], server: str, tool: str, random: Random) -> Any:
    made: dict[str, Any] = {}
    rules = data.get("limits", {}).get(server, {}).get(tool, [])
    rules = rules + data.get("destinations", {}).get("tools", {}).get(server, {}).get(tool, [])
    for rule in rules:
        if random.random() < 0.1:
            continue
        holder = made
        *way, last = rule["path"]
        if last == "*":
            last = way.pop()
            value: Any = [fitting(rule, random) for _ in range(random.randrange(4))]
        else:
            value = fitting(rule, random)
        for name in way:
            holder = holder.setdefault(name, {})
        holder[last] = value
    if random.random() < 0.5:
        made[random.choice(TEXTS)] = values(random)
    return made


# === contracts and content ===

TERMS: dict[str, Any] = {
    "value": {
        "path": ["amount"],
        "currency": "EUR",
        "currency_path": ["currency"],
        "minor_units": 2,
        "ask_above": 1000,
        "max": 1000000,
    },
    "recipients": {"paths": [["to"], ["cc", "*"]], "ask_above": 1, "max": 2},
    "cardinality": {"paths": [["id"], ["ids", "*"]], "filters": [["where"]], "ask_above": 1, "max": 2, "unbounded": "deny"},
    "destinations": [{"path": ["url"], "kind": "url"}, {"path": ["host"], "kind": "host", "optional": True}],
    "path_depth": {"path": ["folder"], "min": 2},
    "rows": {"path": ["rows"], "max": 10, "over": "cut"},
    "output": {"undeclared": "drop"},
}
WINDOWS = ["1h", "24h"]
STANDINGS = [0, 1, 2, 999, 1000, 999000, 9007199254740991]
# Data that the topics contracts and content read, for a bundle of its own beside the others.
DATA = """interdict:
  roles:
    clerk: {tools: {"*": ["*"]}, effects: [read, send]}
  contracts:
    strict: {required: true}
  content:
    regions: [nl]
    rules: [{classes: [card, account, identity], action: count}]
    accumulate:
      - {classes: [card, iban], distinct: 3, action: ask}
      - {classes: [identity], distinct: 3, action: deny}
"""
PATHS = ["/a/b", "a", "/a/../b", "/a//b", "a/b/", "/", "~/a", "/a/.../b", "/é/b", "/a/*", "/a/b c", "\\a\\b", "/a/\u0085/b"]
LOOSE = ["*", "a*", "%", "all", "ALL", "1=1", " ", "\u00a0", "\u2003", "\u200b", "", None, True, {}, [], "x", 7, {"a": "*"}, ["x", ""]]
HOSTS = ["demo.example", "x.demo.example:443", "DEMO.EXAMPLE", "evil.test", "[::1]", "demo.example.", "169.254.169.254"]


def contracted(documents: list[Any], count: int, random: Random) -> Iterator[str]:
    """Calls of tools with a contract, of sessions in which something was found."""
    usual = [document for document in documents if "tool" in document["mcp"]]
    for _ in range(count):
        document = copy.deepcopy(random.choice(usual))
        document["server"]["id"] = random.choice(["strict", "payments"])
        document["agent"]["roles"] = random.choice([["clerk"], ["payer"], ["clerk", "payer"], []])
        if random.random() < 0.9:
            document["contract"] = contract(random)
        if random.random() < 0.5:
            document["content"] = content(random)
        document.pop("totals", None)
        if random.random() < 0.7:
            document["totals"] = totals(random)
        document["mcp"]["arguments"] = bounded(random)
        if random.random() < 0.2:
            # Contract and content are made by us, and always of their form.
            mutate(document["mcp"]["arguments"], random)
        yield write(document)


def contract(random: Random) -> dict[str, Any]:
    terms = copy.deepcopy({name: TERMS[name] for name in random.sample(sorted(TERMS), 3)})
    if "value" in terms and random.random() < 0.5:
        del terms["value"]["minor_units"]
    for name in ("value", "recipients", "path_depth"):
        if name in terms and random.random() < 0.3:
            terms[name]["optional"] = True
    if "cardinality" in terms and random.random() < 0.3:
        terms["cardinality"]["unbounded"] = "ask"
    for name in ("value", "recipients", "cardinality"):
        if name in terms and random.random() < 0.5:
            terms[name]["totals"] = [ceiling(name, random) for _ in range(random.randrange(1, 3))]
    effects = random.sample(["read", "write", "delete", "send", "pay"], random.randrange(1, 3))
    return {"server": "payments", "tool": "act", "signed_by": "ana", "effects": effects} | terms


def ceiling(term: str, random: Random) -> dict[str, Any]:
    """What calls together may come to."""
    made: dict[str, Any] = {"window": random.choice(WINDOWS)}
    if term == "value" and random.random() < 0.4:
        made["per"] = ["to"]
    for name in random.choice([["max"], ["ask_above"], ["max", "ask_above"]]):
        made[name] = random.choice([2, 1000, 1000000, 9007199254740991])
    return made


def totals(random: Random) -> list[dict[str, Any]]:
    """What counters stood at: of the call's own windows or of others, one as often as not for a counter that it has not."""
    made = []
    for counter in random.sample(["value", "payee", "recipients", "cardinality"], random.randrange(1, 5)):
        fact = {"counter": counter, "window": random.choice(WINDOWS), "before": random.choice(STANDINGS)}
        if counter in ("recipients", "cardinality"):
            fact["new"] = random.randrange(4)
        made.append(fact)
    return made


def bounded(random: Random) -> dict[str, Any]:
    """Arguments that the terms read; some are missing, some of another shape."""
    made = {
        "amount": random.choice([*NUMBERS, 9.99, 10, 10.01, 10000, 10000.01]),
        "currency": random.choice(["EUR", "EUR", "USD", None]),
        "to": random.choice(["a@example.com", "a, b", "", 5]),
        "cc": random.choice([["b"], ["b", "c"], [], "b"]),
        "id": random.choice([*LOOSE, "a", "b"]),
        "ids": random.choice([["a"], ["a", "b", "c"], ["*"], [], "a"]),
        "where": random.choice(LOOSE),
        "url": random.choice(TEXTS),
        "host": random.choice(HOSTS),
        "folder": random.choice(PATHS),
    }
    for name in random.sample(sorted(made), random.randrange(5)):
        del made[name]
    if random.random() < 0.2:
        made[random.choice(sorted(made))] = values(random)
    return made


def content(random: Random) -> dict[str, Any]:
    classes = [("pan", "card"), ("iban", "account"), ("nl_bsn", "national_id"), ("mrz", "identity"), ("email", "contact")]
    found = random.sample(classes, random.randrange(4))
    actions = ["count", "redact", "tokenise", "ask", "deny"]
    made: dict[str, Any] = {"consequential": random.random() < 0.5}
    if found:
        made["findings"] = [
            {"class": name, "action": random.choice(actions), "path": "/a", "place": "text", "count": 1}
            for name, _ in found
        ]
    if random.random() < 0.7:
        made["accumulated"] = [
            {"class": name, "family": family, "distinct": random.randrange(6)} for name, family in classes
        ]
    if random.random() < 0.5:
        made["labels"] = random.choice([["hostile"], ["other"], ["hostile", "other"]])
    if random.random() < 0.2:
        made["incomplete"] = True
    return made


def fitting(rule: dict[str, Any], random: Random) -> Any:
    """Mostly of the type that the rule asks for: what is of another type ends at once."""
    if random.random() < 0.15:
        return values(random)
    if rule.get("one_of") and random.random() < 0.7:
        return random.choice(rule["one_of"])
    return random.choice(NUMBERS if rule.get("type") == "number" else TEXTS)


def data_of(file: Any) -> dict[str, Any]:
    """The data of the default topics, wherever in the file they are."""
    data = yaml.safe_load(file.read_text())
    return data.get("interdict", data)
