"""Three readers, one reading: every body that interdict-mcp accepts means the same to Python's json and Node's JSON.parse.

Runs under pytest and by itself (`python3 test_differential.py [count]`). Needs cargo and node.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from bodies import bodies  # noqa: E402

COUNT = int(os.environ.get("INTERDICT_DIFFERENTIAL_COUNT", "30000"))


def reader():
    """The path of the Rust reader, built if necessary."""
    build = ["cargo", "build", "--quiet", "--locked", "-p", "interdict-mcp", "--example", "read", "--message-format=json"]
    output = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = (json.loads(line) for line in output.splitlines())
    paths = [artifact["executable"] for artifact in artifacts if artifact.get("executable")]
    return paths[-1]


def run(command, lines, **options):
    output = subprocess.run(command, input=lines, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    return [json.loads(line, **options) for line in output.splitlines()]


def double(digits):
    """An integer that Node wrote: beyond 2^53 it stands for a double, not for its digits."""
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


def same(one, other):
    """Equality of JSON values that keeps Booleans apart from numbers."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def by_python(body):
    """What Python understands; `None` if it refuses."""
    try:
        value = json.loads(body.decode("utf-8"))
    except ValueError:
        return None
    return value if isinstance(value, list) else [value]


def members(message):
    params = message.get("params") or {}
    return {name: params.get(name) for name in ("name", "uri", "ref", "arguments")} | {
        "method": message.get("method"), "id": message.get("id")}


def expected(understood):
    """What the accessors of a message have to say, given what another reader understood."""
    method, reference = understood["method"], understood["ref"] or {}
    named = method in ("tools/call", "prompts/get")
    located = method in ("resources/read", "resources/subscribe", "resources/unsubscribe")
    completing = method == "completion/complete"
    prompt, resource = reference.get("type") == "ref/prompt", reference.get("type") == "ref/resource"
    return {
        "method": method,
        "id": understood["id"],
        "name": understood["name"] if named else reference.get("name") if completing and prompt else None,
        "uri": understood["uri"] if located else reference.get("uri") if completing and resource else None,
        "arguments": understood["arguments"] if named else None,
    }


def disagreement(body, ours, node):
    """Says where the readers disagree about an accepted body, or `None`."""
    python = by_python(body)
    if python is None:
        return "Python refuses it"
    if "refused" in node:
        return "Node refuses it"
    if not len(ours["messages"]) == len(python) == len(node["messages"]):
        return "the number of messages differs"
    for mine, theirs, nodes in zip(ours["messages"], python, node["messages"]):
        span = mine.pop("span")
        if not same(mine, expected(members(theirs))):
            return f"Python: {mine} != {expected(members(theirs))}"
        if not same(mine, expected(nodes)):
            return f"Node: {mine} != {expected(nodes)}"
        if span and not same(json.loads(body[span[0]:span[1]]), mine["arguments"]):
            return f"the span {span} is not that of the arguments"
    return None


def compare(count):
    """Compares the readers over `count` bodies; returns how many were accepted and what went wrong."""
    cases = list(bodies(count))
    lines = b"".join(body.hex().encode() + b"\n" for body in cases)
    ours = run([reader()], lines)
    node = run([shutil.which("node") or "node", str(HERE / "read.mjs")], lines, parse_int=double)
    assert len(ours) == len(node) == len(cases)
    accepted = [(body, mine, theirs) for body, mine, theirs in zip(cases, ours, node) if "refused" not in mine]
    problems = []
    for body, mine, theirs in accepted:
        if problem := disagreement(body, mine, theirs):
            problems.append(f"{body!r:.2000}: {problem:.2000}")
    return len(accepted), problems


def test_every_accepted_body_means_the_same_to_python_and_node():
    accepted, problems = compare(COUNT)
    assert not problems, f"{len(problems)} of {accepted}:\n" + "\n".join(problems[:10])
    # A reader that refuses everything would agree with everybody.
    assert accepted > COUNT // 8, f"only {accepted} of {COUNT} bodies were accepted"


if __name__ == "__main__":
    total, wrong = compare(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
    print(f"{total} bodies accepted, {len(wrong)} disagreements")
    print("\n".join(wrong[:20]))
    sys.exit(bool(wrong))
