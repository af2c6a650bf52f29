"""What docs/rego-differences.md says is so: in both implementations, at their pinned versions.

When one of these fails after an update, the page is what has to change (and a workaround may have had its time).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from engines import Said, interdict, opa

from support import paths

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "differences.yaml").read_text())
PAGE = paths.PROJECT / "docs" / "rego-differences.md"


def _is(said: Said | None, wanted: Any) -> bool:
    """`None` stands for a bundle that was refused at load."""
    match wanted:
        case "any":
            return True
        case "refused":
            return said is None
        case "error":
            return said is not None and said.elements is None
        case "none":
            return said is not None and said.elements == frozenset()
    return said is not None and said.elements == {json.dumps({"v": wanted["value"]})}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']}: {case['expression']}")
def test_the_engines_differ_as_the_page_says(case: dict[str, Any], tmp_path: Path) -> None:
    rule = f'package interdict.policy.case\n\ndeny contains {{"v": {case["expression"]}}}\n'
    (tmp_path / "case.rego").write_text(rule)
    document = [case.get("input", "{}")]
    ours: Said | None = None
    strict: Said | None = None
    plain: Said | None = None
    why = ""
    try:
        ours = interdict([tmp_path], document)[0].sets["case.deny"]
    except AssertionError as refused:
        why += str(refused)
    try:
        strict, plain = (opinion.sets["case.deny"] for opinion in opa([tmp_path], document)[0])
    except AssertionError as refused:
        why += str(refused)
    assert _is(ours, case["ours"]), f"ours: {ours} {why}"
    assert _is(strict, case["opa"]), f"OPA: {strict} {why}"
    assert _is(plain, case.get("plain", case["opa"])), f"OPA as it comes: {plain} {why}"


def test_the_page_names_every_difference_and_no_other() -> None:
    headings = {line[4:].strip() for line in PAGE.read_text().splitlines() if line.startswith("### ")}
    assert headings == {case["name"][0].upper() + case["name"][1:] for case in CASES}


def test_opa_hides_an_error_when_its_index_leaves_the_rule_out(tmp_path: Path) -> None:
    """Strict or not: of two conditions, the one that the index knows is never evaluated."""
    rule = 'package interdict.policy.case\n\ndeny contains {"v": 1} if {\n\tinput.tool == "t"\n\tstartswith(input.n, "x")\n}\n'
    (tmp_path / "case.rego").write_text(rule)
    document = ['{"tool": "t", "n": 5}']
    ours = interdict([tmp_path], document)[0]
    [(strict, plain)] = opa([tmp_path], document)
    assert ours.verdict == "deny" and ours.sets["case.deny"].elements is None
    assert strict.sets["case.deny"].elements is None and plain.sets["case.deny"].elements == frozenset()
