"""Precision and recall of the classes of values."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from corpus_eval import benign, values
from corpus_eval.case import Case

Answer = dict[str, Any]

SECRETS = frozenset({
    "jwt", "github_token", "gitlab_token", "aws_access_key", "aws_secret_key", "slack_token", "stripe_key",
    "google_api_key", "openai_key", "anthropic_key", "npm_token", "pypi_token", "sendgrid_key", "twilio_key",
    "azure_key", "vendor_token", "private_key", "connection_string", "generic_secret",
})  # fmt: skip
GOAL = 0.98


def report(labelled: list[Case], found: list[Answer], harmless: list[Case], spared: list[Answer]) -> dict[str, Any]:
    """Everything that is written about values."""
    return {
        "goals": [
            _goal("secrets", SECRETS, labelled, found),
            _goal("card numbers", frozenset({"pan"}), labelled, found),
        ],
        "left_out": values.LEFT_OUT,
        "classes": _classes(labelled, found),
        "kinds": _kinds(labelled, found),
        "look_alikes": _wrong(
            [(case, answer) for case, answer in zip(labelled, found, strict=True) if not case.expected]
        ),
        "benign": _wrong(list(zip(harmless, spared, strict=True))),
        "benign_tool_results": _wrong(
            [pair for pair in zip(harmless, spared, strict=True) if pair[0].part == benign.RESULTS]
        ),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 5) if whole else None


def _line(right: int, missed: int, wrong: int) -> dict[str, Any]:
    return {
        "cases": right + missed,
        "recall": _share(right, right + missed),
        "false_positives": wrong,
        "precision": _share(right, right + wrong),
    }


def _goal(what: str, classes: frozenset[str], labelled: list[Case], found: list[Answer]) -> dict[str, Any]:
    """A case is right when any class of the group is found; a case without one is wrong when one is."""
    right = missed = wrong = 0
    for case, answer in zip(labelled, found, strict=True):
        if case.corpus.startswith(values.BARE):
            continue
        hit = bool(classes & answer["classes"].keys())
        if case.expected & classes:
            right, missed = right + hit, missed + (not hit)
        else:
            wrong += hit
    line = _line(right, missed, wrong)
    met = (line["recall"] or 0) >= GOAL and (line["precision"] or 0) >= GOAL
    return {"what": what, **line, "at_least": GOAL, "met": met}


def _classes(labelled: list[Case], found: list[Answer]) -> dict[str, Any]:
    """Per class: found where it is, found where it is not (another secret beside a secret is not wrong)."""
    right, missed, wrong = Counter[str](), Counter[str](), Counter[str]()
    for case, answer in zip(labelled, found, strict=True):
        if case.corpus.startswith(values.BARE):
            continue
        for expected in case.expected:
            (right if expected in answer["classes"] else missed)[expected] += 1
        for other in answer["classes"].keys() - case.expected:
            if not (other in SECRETS and case.expected & SECRETS):
                wrong[other] += 1
    return {name: _line(right[name], missed[name], wrong[name]) for name in sorted(right | missed | wrong)}


def _kinds(labelled: list[Case], found: list[Answer]) -> dict[str, Any]:
    """Per source and kind of value: cases, how many were found as their class, and as what else."""
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for case, answer in zip(labelled, found, strict=True):
        if not case.expected:
            continue
        line = table[case.corpus].setdefault(case.part, {"cases": 0, "found": 0, "other_classes": Counter()})
        line["cases"] += 1
        line["found"] += bool(case.expected & answer["classes"].keys())
        line["other_classes"].update(answer["classes"].keys() - case.expected)
    return {corpus: dict(sorted(kinds.items())) for corpus, kinds in sorted(table.items())}


def _wrong(pairs: list[tuple[Case, Answer]]) -> dict[str, Any]:
    """Per class: cases that have one although none is labelled. Mail addresses and the like may well be real there."""
    table: dict[str, dict[str, Any]] = {}
    for case, answer in pairs:
        line = table.setdefault(f"{case.corpus}: {case.part}", {"cases": 0, "classes": Counter()})
        line["cases"] += 1
        line["classes"].update(answer["classes"].keys())
    return dict(sorted(table.items()))


def show(labelled: list[Case], found: list[Answer], wanted: str) -> None:
    """Labelled cases where a class that starts so was missed or wrongly found."""
    for case, answer in zip(labelled, found, strict=True):
        differing = case.expected ^ answer["classes"].keys()
        if any(name.startswith(wanted) for name in differing):
            print(json.dumps([case.corpus, case.part, sorted(answer["classes"]), case.text or case.document]))
