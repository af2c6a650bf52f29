"""A log's administrator who lies: changes the database, builds trees and packages of his own, signs where he has the key.

Written from the formats alone, and with none of the project's code: what it makes fits together as well as it can.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.evidence import Audit, Entry

NO_PREV = "0" * 64
WIDTH = 256

Records = list[bytes]


def leaf(record: bytes) -> bytes:
    return hashlib.sha256(b"\0" + record).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def canonical(entry: Entry) -> bytes:
    """RFC 8785, for what entries are made of."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def changed(record: bytes, change: Callable[[Entry], Any]) -> bytes:
    entry = json.loads(record)
    assert canonical(entry) == record, "the counterfeiter does not know the format any more"
    change(entry)
    return canonical(entry)


def chained(records: Sequence[bytes]) -> Records:
    """The records with numbers and hashes that fit."""
    done: Records = []
    for record in records:
        entry = json.loads(record)
        entry["seq"] = len(done)
        entry["prev"] = leaf(done[-1]).hex() if done else NO_PREV
        done.append(canonical(entry))
    return done


def signed(audit: Audit, records: Sequence[bytes], tenant: str = "acme") -> str:
    """A checkpoint over the records, by the log's own key."""
    secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((audit.root / "log.key").read_text().strip()))
    name, ident, _ = audit.verifier_key().split("+", 2)
    number = base64.b64encode(root([leaf(record) for record in records])).decode()
    text = f"{audit.origin(tenant)}\n{len(records)}\n{number}\n"
    signature = base64.b64encode(bytes.fromhex(ident) + secret.sign(text.encode())).decode()
    return f"{text}\n— {name} {signature}\n"


def verifier_key(name: str, seed: str) -> str:
    """The public half of a signing key, in signed-note form."""
    public = b"\1" + Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key().public_bytes_raw()
    ident = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4].hex()
    return f"{name}+{ident}+{base64.b64encode(public).decode()}"


def replace(audit: Audit, records: Sequence[bytes], tenant: str = "acme") -> None:
    """Puts these records in the place of a log's, with an index that fits; tree and checkpoints stay."""
    with audit.administrator(tenant) as database:
        database.execute("DELETE FROM entries")
        for seq, record in enumerate(records):
            row = (seq, *_index(json.loads(record)), record)
            database.execute("INSERT INTO entries (seq, ts, flags, decision_id, record) VALUES (?, ?, ?, ?, ?)", row)


def _index(entry: Entry) -> tuple[int, int, bytes | None]:
    """What the database knows of an entry without reading it: milliseconds, flags, the decision that it is about."""
    body, moment = entry["body"], datetime.fromisoformat(entry["ts"])
    flags = {"decision": int(body.get("expects_outcome", False)), "outcome": 2, "outcome_missing": 4}
    decision = bytes.fromhex(body["decision_id"].replace("-", "")) if "decision_id" in body else None
    return int(moment.timestamp() * 1000 + 0.5), flags.get(entry["kind"], 0), decision


def rebuild(audit: Audit, records: Sequence[bytes], *, sign: bool, tenant: str = "acme") -> None:
    """Another history in place of the log's, with its tree; with the key also with checkpoints and `head.note`."""
    assert len(records) < WIDTH, "one tile only"
    replace(audit, records, tenant)
    with audit.administrator(tenant) as database:
        database.execute("DELETE FROM tiles")
        database.execute("INSERT INTO tiles VALUES (0, ?)", [b"".join(map(leaf, records))])
        if sign:
            sizes = [row[0] for row in database.execute("SELECT size FROM checkpoints WHERE size < ?", [len(records)])]
            database.execute("DELETE FROM checkpoints")
            for size in [*sizes, len(records)]:
                note = signed(audit, records[:size], tenant)
                database.execute("INSERT INTO checkpoints VALUES (?, 0, ?)", [size, note])
    if sign:
        audit.head(tenant).write_text(signed(audit, records, tenant))


def package(audit: Audit, to: Path, tenant: str = "acme") -> Path:
    """What an exporter would write that looks at nothing: rows and checkpoints as they lie in the database."""
    with audit.administrator(tenant) as database:
        records = [bytes(row[0]) for row in database.execute("SELECT record FROM entries ORDER BY seq")]
        notes = [row[0] for row in database.execute("SELECT note FROM checkpoints ORDER BY size")]
    size = int(notes[-1].splitlines()[1])
    records = records[:size]
    bundles = {name for record in records for name in _bundles(json.loads(record))}
    (to / "bundles").mkdir(parents=True)
    for name in bundles:
        (to / "bundles" / f"{name}.json").write_bytes((audit.root / "bundles" / f"{name}.json").read_bytes())
    (to / "records.jsonl").write_bytes(b"".join(record + b"\n" for record in records))
    (to / "checkpoints.jsonl").write_text("".join(json.dumps({"note": note}) + "\n" for note in notes))
    about = {
        "bundles": sorted(bundles),
        "log_key": audit.verifier_key(),
        "origin": audit.origin(tenant),
        "segments": [{"from": 0, "left": [], "right": [], "to": size}],
        "size": size,
        "tenant": tenant,
        "v": 1,
    }
    (to / "package.json").write_text(json.dumps(about))
    return to


def _bundles(entry: Entry) -> list[str]:
    return [judgement["bundle"] for judgement in entry["body"].get("judgements", [])]
