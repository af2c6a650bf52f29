"""Bodies for the differential test: valid messages written in odd ways, and broken neighbours of them."""

import base64
import json
import pathlib
import random

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "corpus" / "hostile.jsonl"
METHODS = ["tools/call"] * 6 + [
    "prompts/get", "resources/read", "completion/complete", "tools/list", "ping", "initialize",
    "notifications/cancelled", "tools/Call", "tasks/get",
]
TEXTS = [
    "", "a", "name", "arguments", "é", "😀", "\u2028", "\u0000", "a/b", "\\", '"', "__proto__", "constructor", "1", "\uffff",
    "\ufeff", "x" * 300, "line\nfeed", "\u007f", "ſ", "toString", "hasOwnProperty", "length", "null",
]
NUMBERS = [
    "0", "-0", "1", "-1", "1.0", "1e3", "1E+2", "1e-7", "0.1", "9007199254740991", "-9007199254740991", "9007199254740992",
    "9007199254740993", "1e308", "1e309", "5e-324", "1e-400", "0e999", "123456789.123456789", "1e21", "-0.0", "2.5e-5",
]
SPACES = ["", "", "", " ", "\n", "\t", "\r\n", "  "]
FRAGMENTS = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\u0061", b"\\ud800", b"\\ud83d\\ude00", b"\x00", b"\xff", b"\xc3",
    b"\xe2\x80\xa8", b"1e5", b"-", b".", b"null", b"true", b"NaN", b" ", b"\xef\xbb\xbf", b'"name":"x",', b'"arguments":{},',
    b'"method":"tools/call",', b'"id":2,', b"/", b"//", b"'", b"\x0b", b"\x85", b"\xa0", b"00", b"\\/", b"\\u002f", b"9999999999999999999",
]


def corpus():
    """The bodies of the hostile corpus that are of moderate size."""
    for line in CORPUS.read_text().splitlines():
        row = json.loads(line)
        if "body" in row:
            yield row["body"].encode()
        elif "body_base64" in row:
            yield base64.b64decode(row["body_base64"])


class Writer:
    """Writes random messages; every choice comes from the seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def space(self):
        return self.random.choice(SPACES)

    def string(self, text):
        """`text` as a JSON string, escaped or not at random."""
        parts = []
        for character in text:
            code = ord(character)
            must = code < 0x20 or character in '"\\'
            if must or self.random.random() < 0.15:
                units = character.encode("utf-16-be", "surrogatepass")
                escaped = "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
                short = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
                parts.append(short[character] if character in short and self.random.random() < 0.5 else escaped)
            else:
                parts.append(character)
        return '"' + "".join(parts) + '"'

    def text(self):
        if self.random.random() < 0.7:
            return self.random.choice(TEXTS)
        letters = (chr(self.random.choice([self.random.randrange(0x20, 0x7f), self.random.randrange(0xa0, 0xd800), 0x1F600])) for _ in range(self.random.randrange(12)))
        return "".join(letters)

    def number(self):
        if self.random.random() < 0.5:
            return self.random.choice(NUMBERS)
        if self.random.random() < 0.5:
            return str(self.random.randrange(-(2**54), 2**54))
        return repr(self.random.uniform(-1, 1) * 10 ** self.random.randrange(-300, 300))

    def object(self, members):
        written = (f"{self.space()}{self.string(name)}{self.space()}:{self.space()}{value}{self.space()}" for name, value in members)
        return "{" + ",".join(written) + "}"

    def value(self, depth):
        kind = self.random.randrange(8 if depth else 5)
        if kind <= 1:
            return self.string(self.text())
        if kind == 2:
            return self.number()
        if kind in (3, 4):
            return self.random.choice(["true", "false", "null", "[]", "{}"])
        if kind == 5:
            return "[" + ",".join(self.value(depth - 1) for _ in range(self.random.randrange(5))) + "]"
        return self.map(depth - 1)

    def map(self, depth):
        names = {self.text() for _ in range(self.random.randrange(6))}
        return self.object([(name, self.value(depth)) for name in sorted(names)])

    def message(self):
        method = self.random.choice(METHODS)
        params = []
        if method in ("tools/call", "prompts/get"):
            params = [("name", self.string(self.text())), ("arguments", self.map(4))]
        elif method == "resources/read":
            params = [("uri", self.string(self.random.choice(["test://a", "file:///x/y", "TEST://a", "test://a/../b", "x"])))]
        elif method == "completion/complete":
            reference = [("type", '"ref/prompt"'), ("name", self.string(self.text()))]
            params = [("ref", self.object(reference)), ("argument", "{}")]
        elif method == "initialize":
            params = [("protocolVersion", '"2025-03-26"'), ("capabilities", "{}")]
        elif method == "tasks/get":
            params = [("taskId", self.string(self.text()))]
        if self.random.random() < 0.3:
            params.append(("_meta", self.map(2)))
        if self.random.random() < 0.05:
            params.append((self.random.choice(["Name", "name", "extra", "ARGUMENTS"]), self.value(1)))
        members = [("jsonrpc", '"2.0"'), ("method", self.string(method)), ("params", self.object(self.shuffled(params)))]
        if not method.startswith("notifications/"):
            members.append(("id", self.random.choice([str(self.random.randrange(10**6)), self.string(self.text()), "0", "-5", "1.0"])))
        return self.object(self.shuffled(members))

    def shuffled(self, members):
        members = list(members)
        self.random.shuffle(members)
        return members

    def body(self):
        if self.random.random() < 0.05:
            return ("[" + ",".join(self.message() for _ in range(self.random.randrange(1, 4))) + "]").encode()
        return (self.space() + self.message() + self.space()).encode()

    def broken(self, body):
        """`body` with a few small changes; often no longer valid, sometimes valid with another meaning."""
        body = bytearray(body)
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            at = self.random.randrange(len(body) + 1)
            change = self.random.randrange(4)
            if change == 0:
                body[at:at] = self.random.choice(FRAGMENTS)
            elif change == 1:
                del body[at:at + self.random.randrange(1, 4)]
            elif change == 2 and at < len(body):
                body[at] = self.random.choice([self.random.randrange(256), 0x22, 0x5C, 0x2C, 0x7B, 0x30])
            else:
                end = min(len(body), at + self.random.randrange(1, 24))
                body[end:end] = body[at:end]
        return bytes(body)


def bodies(count, seed=20260728):
    """`count` bodies: the corpus, neighbours of it, generated messages and their neighbours."""
    writer = Writer(seed)
    known = list(corpus())
    yield from known
    for number in range(count - len(known)):
        choice = number % 4
        if choice in (0, 1):
            yield writer.body()
        elif choice == 2:
            yield writer.broken(writer.body())
        else:
            yield writer.broken(writer.random.choice(known))
