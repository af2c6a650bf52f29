"""Runs the judge over every corpus and writes the figures: `python -m corpus_eval --judge PATH --out PATH` in `tests/`."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from corpus_eval import attacks, benign, measure, missing, values
from corpus_eval.case import Case

TIERS = ("structural", "contextual", "lexical")
GOAL_FALSE = 0.001
"""Most structural marks on benign tool results, as a share of the cases."""

ABOUT = (
    "Cases, hits, recall and precision of the detectors on public corpora; `make corpus` writes this. The phrases of the "
    "lexical tier were made with a view on these corpora, so its figures tell how it does on known attacks, not on new ones. "
    "Precision is over all corpora of a section together and depends on how many attacks there are beside benign texts."
)

Answer = dict[str, Any]


def judge(program: Path, cases: list[Case]) -> list[Answer]:
    """What the program says, case by case."""
    given = "".join(case.line() + "\n" for case in cases)
    run = subprocess.run([program], input=given, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(cases), "the judge left cases out"
    return answers


def share(part: int, whole: int) -> float | None:
    """Rounded, and nothing of nothing."""
    return round(part / whole, 5) if whole else None


def by_part(cases: list[Case], answers: list[Answer]) -> dict[str, dict[str, Any]]:
    """Per corpus and part: cases, how many have a mark of each tier, and of each kind."""
    counted: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for case, answer in zip(cases, answers, strict=True):
        counted[case.corpus, case.part].append(answer)
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for (corpus, part), found in sorted(counted.items()):
        table[corpus][part] = _line(found)
    return dict(table)


def _line(answers: list[Answer]) -> dict[str, Any]:
    kinds = Counter(f"{tier}.{kind}" for answer in answers for tier, kind in answer["marks"])
    line: dict[str, Any] = {"cases": len(answers)}
    for tier in TIERS:
        line[tier] = sum(any(found == tier for found, _ in answer["marks"]) for answer in answers)
    line["any"] = sum(bool(answer["marks"]) for answer in answers)
    line["structural_or_contextual"] = sum(any(tier != "lexical" for tier, _ in answer["marks"]) for answer in answers)
    line["kinds"] = dict(sorted(kinds.items()))
    return line


def with_shares(table: dict[str, dict[str, Any]], word: str) -> dict[str, dict[str, Any]]:
    """Adds each count's share of the cases: recall of attacks, rate of false positives of benign texts."""
    for parts in table.values():
        for line in parts.values():
            line[word] = {tier: share(line[tier], line["cases"]) for tier in (*TIERS, "any")}
    return table


def precision(attacked: dict[str, dict[str, Any]], harmless: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Per tier and kind over all corpora: an attack marked is right, a benign text marked is wrong."""
    right, wrong = _sums(attacked), _sums(harmless)
    return {
        kind: {
            "attacks": right[kind],
            "benign": wrong[kind],
            "precision": share(right[kind], right[kind] + wrong[kind]),
        }
        for kind in sorted(right | wrong)
    }


def _sums(table: dict[str, dict[str, Any]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for parts in table.values():
        for line in parts.values():
            sums.update(line["kinds"])
            sums.update({tier: line[tier] for tier in TIERS})
    return sums


def goal(harmless: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Structural false positives on benign tool results."""
    lines = [parts[benign.RESULTS] for parts in harmless.values() if benign.RESULTS in parts]
    cases, wrong = sum(line["cases"] for line in lines), sum(line["structural"] for line in lines)
    rate = share(wrong, cases)
    return {
        "what": "structural marks on benign tool results",
        "cases": cases,
        "false_positives": wrong,
        "rate": rate,
        "at_most": GOAL_FALSE,
        "met": rate is not None and rate <= GOAL_FALSE,
    }


def injection(program: Path, harmless: list[Case], harmless_answers: list[Answer], show: str | None) -> dict[str, Any]:
    """The three tiers on attacks and on benign texts."""
    hostile = list(attacks.all_cases())
    hostile_answers = judge(program, hostile)
    if show:
        _show(harmless, harmless_answers, show, True)
        _show(hostile, hostile_answers, show, False)
    attacked = with_shares(by_part(hostile, hostile_answers), "recall")
    spared = with_shares(by_part(harmless, harmless_answers), "false_positive_rate")
    return {
        "goals": [goal(spared)],
        "attacks": attacked,
        "benign": spared,
        "precision": precision(attacked, spared),
    }


def _show(cases: list[Case], answers: list[Answer], wanted: str, present: bool) -> None:
    """Cases with a mark that starts so, or (of attacks) with no mark at all: for whoever improves a detector."""
    for case, answer in zip(cases, answers, strict=True):
        kinds = [f"{tier}.{kind}" for tier, kind in answer["marks"]]
        hit = any(kind.startswith(wanted) for kind in kinds) if present else not kinds
        if hit:
            print(json.dumps([case.corpus, case.part, kinds, case.text or case.document])[:100_000])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("../.cache"))
    parser.add_argument("--show", help="print benign cases with this tier or kind, and attacks without a mark")
    options = parser.parse_args()
    random.seed(0)  # garak draws its samples
    missing.stand_in()
    harmless = list(benign.all_cases(options.cache))
    spared = judge(options.judge, harmless)
    labelled = list(values.all_cases())
    found = judge(options.judge, labelled)
    results = {
        "about": ABOUT,
        "injection": injection(options.judge, harmless, spared, options.show),
        "values": measure.report(labelled, found, harmless, spared),
    }
    if options.show:
        measure.show(labelled, found, options.show)
    options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    for line in results["injection"]["goals"] + results["values"]["goals"]:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
