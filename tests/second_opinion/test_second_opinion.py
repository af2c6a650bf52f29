"""Two implementations of Rego, one answer: what Interdict's engines say about our policies, OPA says too.

Where they may differ is named below, each with its reason; docs/rego-differences.md explains them. A difference that
has no name fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random

import generate
import pytest
import yaml
from engines import DECIDING, OPA, POLICIES, Opinion, Said, interdict, opa

from support import paths

QUICKSTART = paths.PROJECT / "examples" / "quickstart" / "bundle"
VECTORS = paths.TESTS / "vectors" / "bundle"
# Bundles of ours with data for the default topics, and the file that holds it.
BUNDLES = {
    "vectors": (VECTORS, VECTORS / "interdict" / "data.yaml"),
    "quickstart": (QUICKSTART, QUICKSTART / "data.yaml"),
    "bench": (paths.PROJECT / "bench" / "bundle", paths.PROJECT / "bench" / "bundle" / "interdict" / "data.yaml"),
}
MUTANTS = int(os.environ.get("INTERDICT_SECOND_OPINION_COUNT", "800"))
SEED = int(os.environ.get("INTERDICT_SECOND_OPINION_SEED", "1"))


# === differences that have a name ===


def _iterates_over_no_collection(document: str, name: str, ours: Said, theirs: Said) -> bool:
    """`some x in y` fails when `y` is no collection; in OPA it holds for nothing, and other rules hold. Denied here."""
    return "`some .. in collection` expects" in ours.error and theirs.elements is not None


def _panics_on_an_integer_beyond_a_double(document: str, name: str, ours: Said, theirs: Said) -> bool:
    """regorus cannot print such an integer, and prints every key that is looked up. Caught, and denied here."""
    return ours.error.startswith("policy.panic") and theirs.elements is not None and _has_beyond_a_double(document)


def _orders_what_has_no_order(document: str, name: str, ours: Said, theirs: Said) -> bool:
    """A number and an object, which OPA sorts by their types. Denied here; no bundle loads with such a ceiling."""
    return "only two numbers or two strings have an order" in ours.error and theirs.elements is not None


def _counts_utf_16(document: str, name: str, ours: Said, theirs: Said) -> bool:
    """`count` of a string counts UTF-16 units in regorus: a text may be too long a little earlier. Denied here."""
    only_ours = _codes(ours) - _codes(theirs)
    return name == "limits.deny" and only_ours == {"limit_length"} and any(ord(letter) > 0xFFFF for letter in document)


def _fractions_are_doubles(document: str, name: str, ours: Said, theirs: Said) -> bool:
    """OPA compares every decimal place of a fraction, regorus the nearest double, as the server behind it will."""
    differing = _codes(ours) ^ _codes(theirs)
    about_numbers = {"limit_max", "limit_min", "limit_integer", "limit_ask", "limit_value"}
    return name.startswith("limits.") and differing <= about_numbers and _has_no_double(document)


NAMED: Sequence[Callable[[str, str, Said, Said], bool]] = (
    _iterates_over_no_collection,
    _panics_on_an_integer_beyond_a_double,
    _orders_what_has_no_order,
    _counts_utf_16,
    _fractions_are_doubles,
)
# Those that may only ever deny more than OPA does.
STRICTER = {
    name.__name__
    for name in (
        _iterates_over_no_collection,
        _panics_on_an_integer_beyond_a_double,
        _orders_what_has_no_order,
        _counts_utf_16,
    )
}


def _codes(said: Said) -> set[str]:
    return {json.loads(element).get("code", "") for element in said.elements or ()}


def _numbers(document: str) -> list[str]:
    found: list[str] = []
    json.loads(document, parse_float=lambda text: found.append(text), parse_int=lambda text: found.append(text))
    return found


def _has_no_double(document: str) -> bool:
    """Whether a fraction in the document is none that a double can hold as it is written."""
    fractions = (text for text in _numbers(document) if re.search(r"[.eE]", text))
    return any(Decimal(text) != Decimal(repr(float(text))) for text in fractions)


def _has_beyond_a_double(document: str) -> bool:
    return any(abs(float(text)) == float("inf") for text in _numbers(document))


# === comparing ===


def _compare(roots: Sequence[Path], documents: Sequence[str], engine: str = "deciding") -> Counter[str]:
    """How often the engines agreed and how often they differed in a way that has a name; any other difference fails."""
    seen: Counter[str] = Counter()
    problems = []
    ours, theirs = interdict(roots, documents, engine), opa(roots, documents)
    for document, mine, (strict, plain) in zip(documents, ours, theirs, strict=True):
        if mine.unreadable or strict.unreadable:
            # A number of a million digits: refused by both before any policy sees it.
            seen[
                "unreadable to both" if mine.unreadable and strict.unreadable else f"unreadable: {mine}, {strict}"
            ] += 1
            continue
        deciding = {name for name in strict.sets if name.split(".")[-1] in DECIDING}
        assert set(mine.sets) == deciding, "the engines see other sets"
        assert all(said.elements == frozenset() for name, said in strict.sets.items() if name not in deciding)
        for name, said in mine.sets.items():
            kind = _kind(document, name, said, strict.sets[name], plain.sets[name])
            seen[kind] += 1
            if kind == "different":
                problems.append(f"{name} of {document}\n  ours: {said}\n  OPA:  {strict.sets[name]}")
        _verdict(mine)
    assert not problems, f"{len(problems)} differences that have no name; {dict(seen)}\n" + "\n".join(problems[:10])
    assert not [kind for kind in seen if kind.startswith("unreadable: ")], seen
    return seen


def _kind(document: str, name: str, ours: Said, theirs: Said, plain: Said) -> str:
    if ours.elements is None and theirs.elements is None:
        # OPA as it comes hides the error: what would be denied here may be allowed there.
        return "error in both" if plain.elements is None else "error in both, hidden by OPA unless it is strict"
    if ours.elements == theirs.elements:
        return "equal"
    for named in NAMED:
        if named(document, name, ours, theirs):
            return named.__name__.strip("_")
    return "different"


def _verdict(mine: Opinion) -> None:
    """Whatever fails is a Deny, and the verdict is the one that the sets give."""
    if any(said.elements is None for said in mine.sets.values()):
        assert mine.verdict == "deny", mine
        return
    some = {name.split(".")[-1] for name, said in mine.sets.items() if said.elements}
    if "deny" in some or "allow" not in some:
        assert mine.verdict == "deny" or any("malformed" in code for code in mine.reasons), mine


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, dict[str, object]]]:
    """Vector, input document and decision of every step of every vector, from the decision point's own records."""
    file = tmp_path_factory.mktemp("second_opinion") / "inputs.jsonl"
    test = ["cargo", "test", "--quiet", "--locked", "-p", "authz-server", "--test", "vectors", "inputs::"]
    environment = os.environ | {"INTERDICT_INPUTS": str(file)}
    done = subprocess.run(test, cwd=paths.PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = []
    for line in file.read_text().splitlines():
        # The document as it was written: Python's reader would change its numbers.
        head, document = line[:-1].split(',"document":', 1)
        read = json.loads(head + "}")
        lines.append((read["vector"], document, read["decision"]))
    return lines


# === the tests ===


def test_every_rego_test_of_the_default_bundle_ends_the_same_in_opa() -> None:
    roots = [POLICIES]
    ours = subprocess.run(
        [paths.interdict_binary(), "policy", "test", *roots, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = {result["name"]: result["outcome"] for result in json.loads(ours.stdout)["results"]}
    theirs = subprocess.run([OPA, "test", "--format", "json", *roots], capture_output=True, text=True, check=False)
    assert theirs.stdout.startswith("["), theirs.stdout + theirs.stderr
    said = {
        f"{result['package']}.{result['name']}": "fail"
        if result.get("fail")
        else "error"
        if result.get("error")
        else "pass"
        for result in json.loads(theirs.stdout)
    }
    assert mine == said
    print(f"{len(mine)} tests, {Counter(mine.values())}")
    assert len(mine) >= 70


def test_opa_takes_every_bundle_of_ours_and_finds_no_mistake_in_its_data() -> None:
    for name, (root, _) in BUNDLES.items():
        [(said, _)] = opa([POLICIES, root], ["{}"])
        mistakes = {name: set for name, set in said.sets.items() if name.endswith(".mistake")}
        assert len(mistakes) >= 4 and all(set.elements == frozenset() for set in mistakes.values()), name


def test_every_decision_vector_has_the_same_sets_in_opa(inputs: list[tuple[str, str, dict[str, object]]]) -> None:
    documents = [document for _, document, _ in inputs]
    seen = _compare([POLICIES, VECTORS], documents)
    print(
        f"{len({vector.split(' [')[0] for vector, *_ in inputs})} vectors, {len(documents)} documents, sets: {dict(seen)}"
    )
    # No vector may need a name.
    assert set(seen) <= {"equal", "error in both", "error in both, hidden by OPA unless it is strict"}
    assert len(documents) >= 200


def test_what_policy_eval_shows_is_what_was_decided(inputs: list[tuple[str, str, dict[str, object]]]) -> None:
    opinions = interdict([POLICIES, VECTORS], [document for _, document, _ in inputs])
    for (vector, _, decision), opinion in zip(inputs, opinions, strict=True):
        codes = tuple(reason["code"] for reason in decision["reasons"])
        assert (opinion.verdict, opinion.reasons) == (decision["verdict"], codes), vector


@pytest.mark.parametrize("engine", ["deciding", "interpreter"])
def test_changed_documents_have_the_same_sets_or_a_named_difference(
    inputs: list[tuple[str, str, dict[str, object]]], engine: str
) -> None:
    random = Random(SEED)
    originals = [json.loads(document) for _, document, _ in inputs]
    documents = list(generate.mutants(originals, MUTANTS, random))
    seen = _compare([POLICIES, VECTORS], documents, engine)
    print(f"{len(documents)} changed documents, sets: {dict(seen)}")
    assert seen["equal"] > 5 * MUTANTS


@pytest.mark.parametrize("bundle", BUNDLES)
def test_calls_made_from_a_bundles_data_have_the_same_sets_or_a_named_difference(
    inputs: list[tuple[str, str, dict[str, object]]], bundle: str
) -> None:
    random = Random(SEED)
    root, file = BUNDLES[bundle]
    originals = [json.loads(document) for _, document, _ in inputs]
    documents = list(generate.calls(originals, generate.data_of(file), MUTANTS // 2, random))
    seen = _compare([POLICIES, root], documents)
    print(f"{bundle}: {len(documents)} calls, sets: {dict(seen)}")
    assert seen["equal"] > 2 * MUTANTS


@pytest.mark.parametrize("engine", ["deciding", "interpreter"])
def test_calls_under_contracts_and_with_content_have_the_same_sets_or_a_named_difference(
    inputs: list[tuple[str, str, dict[str, object]]], engine: str, tmp_path: Path
) -> None:
    # Each value is set in one file: the quickstart's own rules about content make room.
    quickstart, more = tmp_path / "quickstart", tmp_path / "more"
    shutil.copytree(QUICKSTART, quickstart)
    data = yaml.safe_load((quickstart / "data.yaml").read_text())
    del data["interdict"]["content"]
    (quickstart / "data.yaml").write_text(yaml.safe_dump(data))
    more.mkdir()
    (more / "data.yaml").write_text(generate.DATA)
    originals = [json.loads(document) for _, document, _ in inputs]
    documents = list(generate.contracted(originals, MUTANTS, Random(SEED)))
    seen = _compare([POLICIES, quickstart, more], documents, engine)
    print(f"{len(documents)} calls under contracts, sets: {dict(seen)}")
    assert seen["equal"] > 5 * MUTANTS


def test_a_difference_that_only_denies_more_is_called_so() -> None:
    for named in NAMED:
        assert ("Denied here" in (named.__doc__ or "") or "denied here" in (named.__doc__ or "")) == (
            named.__name__ in STRICTER
        )
