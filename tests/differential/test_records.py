"""What a record may look like, by other people's programs: Node's JSON for the canonical form, jsonschema for the schema.

Runs under pytest. Needs cargo and node.
"""

import copy
import json
import os
import pathlib
import random
import shutil
import subprocess

import jsonschema
import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COUNT = int(os.environ.get("INTERDICT_DIFFERENTIAL_COUNT", "30000"))
SAFE = 2**53 - 1
SCHEMA = json.loads((ROOT / "docs/audit-record.schema.json").read_text())
EXAMPLES = [json.loads(line) for line in (ROOT / "crates/audit/tests/examples.jsonl").read_text().splitlines()]
LETTERS = list("ab\"\\/\b\t\n\f\r\0\x0b\x1f \x7f\x80é€\u2028\ufb33\uffff\U00010000\U0001f600")


def ask(command, texts):
    lines = b"".join(text.hex().encode() + b"\n" for text in texts)
    output = subprocess.run(command, input=lines, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    answers = output.decode().split("\n")[:-1]
    assert len(answers) == len(texts)
    return answers


@pytest.fixture(scope="module")
def ours():
    """Asks our reader: (is the text canonical, is it an entry or what is wrong with it)."""
    build = ["cargo", "build", "--quiet", "--locked", "-p", "interdict-audit", "--example", "entries", "--message-format=json"]
    output = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = (json.loads(line) for line in output.splitlines())
    path = [artifact["executable"] for artifact in artifacts if artifact.get("executable")][-1]

    def judge(texts):
        pairs = (answer.split(" ") for answer in ask([path], texts))
        return [(first == "canonical", second) for first, second in pairs]

    return judge


def by_node(texts):
    return [bytes.fromhex(line) for line in ask([shutil.which("node") or "node", str(HERE / "canonical.mjs")], texts)]


# === the canonical form ===


def random_value(rng, depth=0):
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind < 2:
        return "".join(rng.choices(LETTERS, k=rng.randrange(5)))
    if kind == 2:
        return rng.choice([0, 1, -1, 10, SAFE, -SAFE, rng.randint(-SAFE, SAFE), rng.randint(-99, 99)])
    if kind < 6:
        return rng.choice([None, True, False])
    names = {"".join(rng.choices(LETTERS, k=rng.randrange(3))) for _ in range(rng.randrange(6))}
    if kind == 6:
        return [random_value(rng, depth + 1) for _ in names]
    return {name: random_value(rng, depth + 1) for name in names}


def changed(rng, text):
    text = bytearray(text)
    at = rng.randrange(len(text))
    byte = rng.choice(b'"\\{}[],:0123456789-.eE+u/nbt \xc3\xf0\x80')
    how = rng.randrange(4)
    if how == 0:
        text[at] = byte
    elif how == 1:
        text.insert(at, byte)
    elif how == 2:
        del text[at]
    else:
        other = rng.randrange(len(text))
        text[at], text[other] = text[other], text[at]
    return bytes(text)


def is_ours(text):
    """Whether a record could hold the value: integers only, within 2^53-1."""
    numbers = []

    def number(token):
        numbers.append(token)
        return 0

    json.loads(text, parse_int=number, parse_float=number, parse_constant=number)
    return all("." not in token and "e" not in token and abs(int(token)) <= SAFE for token in numbers)


def test_a_text_is_canonical_exactly_if_node_writes_it_just_so(ours):
    rng = random.Random(8785)
    written = by_node([json.dumps(random_value(rng), ensure_ascii=rng.random() < 0.5).encode() for _ in range(COUNT // 2)])
    texts = written + [changed(rng, text) for text in written]
    for text, (canonical, _), node in zip(texts, ours(texts), by_node(texts)):
        assert canonical == (text == node != b"" and is_ours(text)), text
    assert all(canonical for canonical, _ in ours(written))


# === the schema ===


def canonical(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@pytest.fixture(scope="module")
def schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def test_every_example_is_an_entry_to_the_schema_and_to_us(ours, schema):
    for example, answer in zip(EXAMPLES, ours([canonical(example) for example in EXAMPLES])):
        schema.validate(example)
        assert answer == (True, "entry"), example
    assert {example["kind"] for example in EXAMPLES} == set(SCHEMA["properties"]["kind"]["enum"])


def places(value, path=()):
    """Every object, list and leaf of a value, by its path."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def spoilt(example):
    """The example with one place changed: a member more, a member less, another type, another text."""
    for path in places(example):
        place = at(example, path)
        if isinstance(place, dict):
            yield put(example, (*path, "zz"), 1)
            yield from (put(example, (*path, name)) for name in place)
        if path:
            for other in (None, 1, -1, True, "x", "", [], {}, SAFE, "ab" * 32, "a" * 65, 1.5, [1], [None]):
                if other != place or type(other) is not type(place):
                    yield put(example, path, other)


MISSING = object()


def put(example, path, value=MISSING):
    result = copy.deepcopy(example)
    holder = at(result, path[:-1])
    if value is MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return result


def test_what_our_reader_refuses_is_refused_by_the_schema_too(ours, schema):
    values = [value for example in EXAMPLES for value in spoilt(example)]
    refused = 0
    for value, (_, answer) in zip(values, ours([canonical(value) for value in values])):
        valid = schema.is_valid(value)
        assert not valid or answer == "entry", (answer, value)
        refused += not valid
    assert refused > len(values) // 2


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("prev",), "0" * 63),
        (("prev",), "A" * 64),
        (("seq",), SAFE + 1),
        (("seq",), -1),
        (("tenant",), ".."),
        (("tenant",), "a/b"),
        (("tenant",), ""),
        (("ts",), "2026-11-21T14:30:00Z"),
        (("ts",), "2026-11-21T14:30:00.000+00:00"),
        (("ts",), "2026-11-21T24:30:00.000Z"),
        (("ts",), "2026-11-21T14:30:00.000Z\n"),
        (("v",), 2),
        (("kind",), "outcome"),
        (("kind",), "other"),
        (("body", "decision_id"), "not-an-id"),
        (("body", "decision_id"), "019AA6C1-8000-7000-8000-000000000001"),
        (("body", "input_commit"), "0" * 63),
        (("body", "verdict"), "ALLOW"),
        (("body", "action", "args", "commit"), "x"),
        (("body", "judgements", 0, "bundle"), "latest"),
    ],
)
def test_the_schema_refuses(schema, path, wrong):
    decision = next(example for example in EXAMPLES if example["kind"] == "decision")
    assert schema.is_valid(decision)
    assert not schema.is_valid(put(decision, path, wrong))
