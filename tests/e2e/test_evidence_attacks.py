"""Whoever has the database in his hands, or the whole server, cannot change what was recorded without being noticed by an
auditor who kept one checkpoint."""

from __future__ import annotations

import json
import secrets
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import counterfeit, evidence, mcp, paths, stack
from support.counterfeit import Records, chained, changed
from support.evidence import Audit, Auditor, Entry
from support.process import Process
from support.servers import Canary
from support.stack import Stack


@dataclass
class History:
    """A finished log, its server gone, and the one checkpoint that somebody kept when it was half as long."""

    audit: Audit
    kept: str
    folder: Path

    def stolen(self) -> Audit:
        """A copy to play with."""
        return self.audit.copy(self.folder / f"stolen-{secrets.token_hex(4)}")

    def auditor(self, *, kept: bool = True) -> Auditor:
        auditor = Auditor(self.folder / f"auditor-{secrets.token_hex(4)}", self.audit.verifier_key())
        auditor.kept = [self.kept] if kept else []
        return auditor


@pytest.fixture(scope="module")
def history(folder: Path, canary: Canary) -> Iterator[History]:
    with stack.running(
        "call",
        folder / "history",
        canary.address,
        policy=lambda issuer: evidence.two_tenants(issuer, denied=["forbidden"]),
    ) as running:
        audit = Audit.of(running.interdict)
        calls(running, 6)
        kept = audit.wait_signed()
        gina = running.token("gina", evidence.OTHER_RESOURCE)
        running.post(mcp.call(1, "elsewhere"), token=gina, path=evidence.OTHER_PATH)
        calls(running, 6)
        audit.wait_signed()
        running.interdict.stop()
        yield History(audit, kept, folder)


def calls(running: Stack, count: int) -> None:
    for number in range(count):
        tool = "forbidden" if number % 3 == 1 else f"tool-{number}"
        assert running.post(mcp.call(number, tool, {"n": number})).status_code == 200


# --- the administrator of the database ---------------------------------------------------------------------------------


def first_denial(records: Records) -> int:
    return next(at for at, record in enumerate(records) if b'"verdict":"deny"' in record)


def whitewash(entry: Entry) -> None:
    entry["body"]["verdict"] = "allow"


def edited(records: Records) -> Records:
    at = first_denial(records)
    return [*records[:at], changed(records[at], whitewash), *records[at + 1 :]]


def deleted(records: Records) -> Records:
    at = first_denial(records)
    return [*records[:at], *records[at + 1 :]]


def inserted(records: Records) -> Records:
    at = first_denial(records)
    return [
        *records[:at],
        changed(records[at], lambda entry: entry["body"].update(decision_id=str(uuid.uuid4()))),
        *records[at:],
    ]


def reordered(records: Records) -> Records:
    return [records[1], records[0], *records[2:]]


CHANGES: dict[str, Callable[[Records], Records]] = {
    "a visible field is edited": edited,
    "a record is deleted": deleted,
    "a record is inserted": inserted,
    "two records are swapped": reordered,
    "a record is edited and the rest chained anew": lambda records: chained(edited(records)),
    "a record is deleted and the rest chained anew": lambda records: chained(deleted(records)),
    "a record is inserted and the rest chained anew": lambda records: chained(inserted(records)),
    "two records are swapped and the rest chained anew": lambda records: chained(reordered(records)),
}


def noticed(history: History, audit: Audit) -> None:
    """By the auditor's program, whoever exported; and by our own commands on the spot."""
    auditor = history.auditor()
    found = auditor.check(counterfeit.package(audit, auditor.package()))
    assert found.code == 1 and "TAMPERED" in found.text, found.text
    assert auditor.ask(audit).code == 1, auditor.ask(audit).text
    ours = evidence.audit(audit, "verify", "--tenant", "acme")
    assert ours.code == 1, ours.text


def test_what_was_not_touched_is_whole(history: History) -> None:
    """The control: both exporters, the auditor's trust, our own command."""
    auditor, stolen = history.auditor(), history.stolen()
    assert auditor.ask(stolen).code == 0, auditor.ask(stolen).text
    found = auditor.check(counterfeit.package(stolen, auditor.package()))
    assert found.code == 0 and "1 kept elsewhere confirmed" in found.text, found.text
    assert evidence.audit(stolen, "verify").code == 0


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_the_database_is_noticed(change: str, history: History) -> None:
    """E2, E3: with the tree left as it was, and with a tree that fits the new records."""
    stolen, thorough = history.stolen(), history.stolen()
    counterfeit.replace(stolen, CHANGES[change](stolen.raw()))
    noticed(history, stolen)
    counterfeit.rebuild(thorough, CHANGES[change](thorough.raw()), sign=False)
    noticed(history, thorough)


def test_a_record_that_is_moved_to_another_tenant_is_noticed(history: History) -> None:
    """E2, E3: as it is, and rewritten so that it names the other tenant."""
    stranger = next(record for record in history.audit.raw("globex") if b"elsewhere" in record)
    for record in (stranger, changed(stranger, lambda entry: entry.update(tenant="acme"))):
        stolen = history.stolen()
        records = stolen.raw()
        counterfeit.rebuild(stolen, chained([*records[:2], record, *records[2:]]), sign=False)
        noticed(history, stolen)


@pytest.mark.parametrize("cut", ["below the kept checkpoint", "above it"])
def test_a_cut_off_end_is_noticed(cut: str, history: History) -> None:
    """E2, E3: every checkpoint over what is gone is gone, too. Above what was kept, our own head.note still knows."""
    stolen = history.stolen()
    size = evidence.signed_size(history.kept) + (1 if cut == "above it" else -2)
    records = stolen.raw()[:size]
    counterfeit.rebuild(stolen, records, sign=False)
    with stolen.administrator() as database:
        database.execute("DELETE FROM checkpoints")
        database.execute("INSERT INTO checkpoints VALUES (?, 0, ?)", [size, counterfeit.signed(history.audit, records)])
    if cut == "below the kept checkpoint":
        noticed(history, stolen)
    ours = evidence.audit(stolen, "verify", "--tenant", "acme")
    assert ours.code == 1, ours.text


@pytest.mark.parametrize("change", ["a visible field is edited", "a record is deleted", "a record is inserted"])
def test_a_history_that_was_rebuilt_and_signed_with_the_stolen_key_is_noticed_by_what_was_kept(
    change: str, history: History
) -> None:
    """E2, E3: everything fits together, head.note included. Only the kept checkpoint knows better, and it is enough."""
    stolen = history.stolen()
    counterfeit.rebuild(stolen, chained(CHANGES[change](stolen.raw())), sign=True)
    assert evidence.audit(stolen, "verify", "--tenant", "acme").code == 0
    forgetful = history.auditor(kept=False)
    assert forgetful.check(counterfeit.package(stolen, forgetful.package())).code == 0
    auditor = history.auditor()
    found = auditor.check(counterfeit.package(stolen, auditor.package()))
    assert found.code == 1 and "TAMPERED" in found.text, found.text
    assert auditor.ask(stolen).code == 1


def test_checkpoints_of_another_key_count_for_nothing(history: History) -> None:
    """E2, E3: the whole folder is somebody else's."""
    stolen = history.stolen()
    (stolen.root / "log.key").write_text(secrets.token_hex(32))
    counterfeit.rebuild(stolen, chained(edited(stolen.raw())), sign=True)
    auditor = history.auditor(kept=False)
    found = auditor.check(counterfeit.package(stolen, auditor.package()))
    assert found.code == 1 and "signature" in found.text, found.text


@pytest.mark.parametrize("how", ["a byte is flipped", "it is another decision's"])
def test_a_sealed_input_that_was_changed_is_noticed_when_it_is_opened(how: str, history: History) -> None:
    """E4: it is beside the tree, and bound by the commitments in the record."""
    stolen = history.stolen()
    with stolen.administrator() as database:
        rows = database.execute("SELECT seq, sealed, record FROM entries WHERE sealed IS NOT NULL").fetchall()
        (seq, sealed, record), (_, other, _) = rows[0], rows[1]
        changed_to = bytes([*sealed[:-1], sealed[-1] ^ 1]) if how == "a byte is flipped" else other
        database.execute("UPDATE entries SET sealed = ? WHERE seq = ?", [changed_to, seq])
    decision = json.loads(record)["body"]["decision_id"]
    assert evidence.replay(history.audit, decision).code == 0
    found = evidence.replay(stolen, decision)
    assert found.code == 1 and "TAMPERED" in found.text, found.text


# --- a server that tells two stories -----------------------------------------------------------------------------------


@contextmanager
def witness(folder: Path, log: str, key: str) -> Iterator[tuple[str, str]]:
    """A witness process of its own, for all origins of a log: its URL and its public key."""
    command = ["witness", "--listen", "127.0.0.1:0", "--state", folder / "state", "--key", folder / "witness.key"]
    folder.mkdir(parents=True)
    arguments = [paths.interdict_binary(), *command, "--log", f"{log}/*={key}"]
    with Process("witness", arguments, folder / "witness.log") as process:
        address = process.wait_for(r'"address":"([\d.:]+)"')[1]
        yield f"http://{address}/", (folder / "witness.vkey").read_text().strip()


def test_a_server_that_goes_on_from_an_old_copy_is_refused_by_its_witness(folder: Path, canary: Canary) -> None:
    """E2, E3: the fork verifies in itself; the witness cosigns one branch only, and says so."""
    place = folder / "forked"
    place.mkdir()
    seed = secrets.token_hex(32)
    (place / "signing.key").write_text(seed)
    (place / "signing.key").chmod(0o600)
    key = counterfeit.verifier_key("twins", seed)
    with witness(folder / "witness", "twins", key) as (url, witness_key):
        log = {"name": "twins", "signing_key_file": str(place / "signing.key")}
        log |= {"witnesses": [{"url": url, "key": witness_key}]}
        with stack.running("call", place, canary.address, audit=log) as running:
            audit = Audit.of(running.interdict)
            auditor = Auditor(folder / "auditor-of-twins", key)
            auditor.witnesses, auditor.quorum = [witness_key], 1
            calls(running, 3)
            cosigned(audit, witness_key)
            running.interdict.stop()
            old = audit.copy(place / "old")

            running.interdict.restart()
            calls(running, 4)
            auditor.keep(cosigned(audit, witness_key))
            running.interdict.stop()
            first = audit.copy(place / "first")
            assert auditor.ask(first).code == 0, auditor.ask(first).text

            shutil.rmtree(audit.root)
            old.copy(audit.root)
            running.interdict.restart()
            calls(running, 1)  # shorter than what the witness saw
            contradiction(running, "audit.rolled_back")
            calls(running, 6)  # longer, and with another past
            contradiction(running, "audit.forked")
            assert witness_key.split("+")[0] not in audit.wait_signed()
            running.interdict.stop()
            assert evidence.audit(audit, "verify", "--tenant", "acme").code == 0, "a fork fits together"
            assert auditor.ask(audit).code == 1
            auditor.kept = []
            refused = auditor.ask(audit)
            assert refused.code == 1 and "witness" in refused.text, refused.text
            assert auditor.ask(first).code == 0


def cosigned(audit: Audit, witness_key: str) -> str:
    """The checkpoint over everything, once the witness has signed it."""
    name = witness_key.split("+")[0]
    audit.wait_until(lambda: f"— {name} " in audit.wait_signed(), "a cosignature")
    return audit.head().read_text()


def contradiction(running: Stack, code: str) -> None:
    """The alarm: an error in the server's log and a count in its metrics. Calls go on."""
    running.interdict.process.wait_for(
        f"A WITNESS HAS SEEN ANOTHER LOG THAN THIS ONE.*{code}|{code}.*A WITNESS HAS SEEN"
    )
    lines = [line for line in running.interdict.metrics.splitlines() if code in line]
    assert any(line.startswith("interdict_audit_failures_total{") for line in lines), lines


def test_a_server_does_not_start_on_a_database_that_was_put_back(history: History, folder: Path) -> None:
    """E2, E3: without a witness and without an auditor it is head.note that knows better."""
    stolen = history.stolen()
    counterfeit.replace(stolen, records := stolen.raw()[:-3])
    with stolen.administrator() as database:
        database.execute("DELETE FROM checkpoints WHERE size > ?", [len(records)])
        database.execute("DELETE FROM tiles")
        database.execute("INSERT INTO tiles VALUES (0, ?)", [b"".join(map(counterfeit.leaf, records))])
        database.execute(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, 0, ?)", [len(records), counterfeit.signed(stolen, records)]
        )
    text = (history.audit.root.parent / "interdict.yaml").read_text()
    file = folder / "put-back.yaml"
    file.write_text(text.replace("listen:", f"audit: {{directory: '{stolen.root}'}}\nlisten:", 1))
    shutil.copytree(history.audit.root.parent / "bundle", folder / "bundle")
    shutil.copy(history.audit.root.parent / "admin.token", folder / "admin.token")
    refused = evidence.run(paths.interdict_binary(), "serve", "--config", file, timeout_s=60)
    assert refused.code != 0 and "audit.rolled_back" in refused.text, refused.text
