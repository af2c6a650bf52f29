"""Act six: somebody asks later who let it happen, and does not believe us."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

from scene import Scene
from stage import Stage
from support import paths

AUDITOR = "the auditor"
PARTS = ("by ", "who ", "asked ", "rule ", "answered ")
"""What the story shows of `interdict audit show`, which says more."""


def kept(scene: Scene) -> Path:
    return scene.interdict.folder / "mine.json"


def keep_key(scene: Scene) -> None:
    """What an auditor does on the first day: keep the log's verifier key."""
    key = (scene.interdict.folder / "interdict-audit" / "log.vkey").read_text().strip()
    kept(scene).write_text(json.dumps({"v": 1, "log_keys": [key]}))


def asked_for(scene: Scene, person: str, stage: Stage) -> None:
    stage.act("Act six: Evidence")
    stage.tell(
        f"""Later somebody asks who let that commit happen. Each decision was on record before its answer left, so {person} looks
        it up:"""
    )
    decision = approved_commit(scene)
    stage.says(person, f"interdict audit show {decision}")
    stage.says("interdict", chain_of(scene, decision))
    stage.tell(
        """The auditor does not take our word for it. She has kept the public key of the log since its first day; she gets a folder,
        and checks it with a program that opens no socket:"""
    )
    evidence = export(scene, decision, person, stage)
    code, found = verify(scene, evidence)
    stage.says(AUDITOR, "interdict-verify evidence --trust mine.json")
    stage.says("the verifier", found)
    assert code == 0 and "WHOLE" in found, found
    stage.tell(f"Now a copy in which one letter differs: it was not {person}, it was pam.")
    code, found = verify(scene, with_another_name(evidence, person))
    stage.says(AUDITOR, "interdict-verify copy --trust mine.json")
    stage.says("the verifier", f"{found}\n(exit code {code})")
    assert code == 1 and "TAMPERED" in found, found
    stage.tell("Was it the right answer? The decision is made again, from its sealed facts and the policy of that moment:")
    stage.says(person, f"interdict replay {decision}")
    code, same = scene.interdict.command("replay", decision)
    assert code == 0 and same.startswith("SAME"), same
    stage.says("interdict", same)
    stage.tell("Byte for byte the same.")


def approved_commit(scene: Scene) -> str:
    """The decision that let the commit through, once its outcome is on record: the filter reports it a moment later."""
    deadline = time.monotonic() + 60
    while True:
        code, found = scene.interdict.command(
            "audit", "query", "--kind", "decision", "--tool", "git_commit", "--verdict", "allow", "--json"
        )
        assert code == 0, found
        [decision] = [json.loads(line)["body"]["decision_id"] for line in found.splitlines()]
        code, chain = scene.interdict.command("audit", "show", decision)
        if code == 0 and "OUTCOME" in chain:
            return decision
        assert time.monotonic() < deadline, chain
        time.sleep(0.1)


def chain_of(scene: Scene, decision: str) -> str:
    _, chain = scene.interdict.command("audit", "show", decision)
    # A heading begins with the date, which is today's.
    lines = [line[11:] if line.startswith("20") else line for line in chain.splitlines()]
    return "\n".join(line for line in lines if shown(line))


def shown(line: str) -> bool:
    heading = line[:1].isdigit()
    return heading or line.strip().startswith(PARTS)


def export(scene: Scene, decision: str, person: str, stage: Stage) -> Path:
    evidence = scene.interdict.folder / "evidence"
    command = ("audit", "export", "--decision", decision, "--out", evidence.name, "--wait")
    stage.says(person, f"interdict {' '.join(command)}")
    code, output = scene.interdict.command(*command)
    assert code == 0, output
    return evidence


def verify(scene: Scene, package: Path) -> tuple[int, str]:
    """What the verifier says to a package, held against the key that the auditor kept: exit code and the gist."""
    command = [paths.verify_binary(), package, "--trust", kept(scene)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    # One finding is enough for a story.
    told = [next((line for line in lines if line.startswith(start)), "") for start in ("records ", "FOUND", "verdict")]
    return done.returncode, "\n".join(filter(None, told)) or done.stderr


def with_another_name(evidence: Path, person: str) -> Path:
    copy = shutil.copytree(evidence, evidence.with_name("copy"))
    records = copy / "records.jsonl"
    before = records.read_bytes()
    after = before.replace(f'"by":"{person}"'.encode(), b'"by":"pam"', 1)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    records.write_bytes(after)
    return copy
