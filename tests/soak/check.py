"""After the load: does the log say what happened? The tool server's own log is the witness."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from soak.load import MARKER, Road, Seen
from support.canary import Request
from support.evidence import Audit, Entry


class Found:
    """What is wrong, with the first examples of each kind, and what was counted."""

    def __init__(self) -> None:
        self.problems: dict[str, list[str]] = defaultdict(list)
        self.counts: dict[str, Any] = {}

    def wrong(self, what: str, example: object) -> None:
        self.problems[what].append(str(example)[:400])

    def summary(self) -> list[str]:
        return [f"{len(found)} x {what}: {found[:3]}" for what, found in self.problems.items()]


def check(audit: Audit, arrived: Sequence[Request], seen: Seen, roads: Sequence[Road]) -> Found:
    """Compares the logs of the tenants with what arrived at the tool server and with what the callers were told."""
    found = Found()
    logs = {tenant: audit.entries(tenant) for tenant in sorted({road.tenant for road in roads})}
    for tenant, entries in logs.items():
        _in_order(found, tenant, entries)
        _outcomes(found, tenant, entries)
    decisions = {
        tenant: [entry["body"] for entry in log if entry["kind"] == "decision"] for tenant, log in logs.items()
    }
    for what in ("decision_id", "request"):
        _unique(found, what, decisions)
    _arrivals(found, arrived, seen, decisions, {road.path: road.tenant for road in roads})
    _denials(found, seen, decisions)
    every = [body for bodies in decisions.values() for body in bodies]
    found.counts |= {
        "decision_records": len(every),
        "verdicts": dict(Counter(body["verdict"] for body in every)),
        "entries": {tenant: len(entries) for tenant, entries in logs.items()},
        "kinds": dict(Counter(entry["kind"] for entries in logs.values() for entry in entries)),
        "reasons": dict(Counter(body["reason"] for body in every)),
    }
    return found


def _in_order(found: Found, tenant: str, entries: Sequence[Entry]) -> None:
    for at, entry in enumerate(entries):
        if entry["seq"] != at or entry["tenant"] != tenant:
            return found.wrong(f"the log of {tenant} has a gap or a stranger", entry)


def _unique(found: Found, what: str, decisions: dict[str, list[Entry]]) -> None:
    for tenant, bodies in decisions.items():
        key = [body["request"]["id"] if what == "request" else body[what] for body in bodies]
        for double, times in Counter(key).items():
            if times > 1:
                found.wrong(f"recorded more than once ({what})", f"{double} in {tenant}: {times} times")
    tenants = [{body["decision_id"] for body in bodies} for bodies in decisions.values()]
    if len(set().union(*tenants)) != sum(map(len, tenants)):
        found.wrong("a decision is in two logs", set.intersection(*tenants))


def _arrivals(
    found: Found,
    arrived: Sequence[Request],
    seen: Seen,
    decisions: dict[str, list[Entry]],
    tenant_of: dict[str, str],
) -> None:
    """No record, no action: what reached the tool server was recorded as allowed, in the log of its own tenant."""
    by_request = {tenant: {body["request"]["id"]: body for body in bodies} for tenant, bodies in decisions.items()}
    markers: Counter[str] = Counter()
    for request in arrived:
        name = request_id(request)
        marker = MARKER.search(request.body)
        markers[marker[1].decode() if marker else "none"] += 1
        record = by_request[tenant_of[request.path]].get(name)
        if record is None:
            found.wrong("arrived at the tool server without a record", f"{name} {request.body!r}")
        elif record["verdict"] != "allow" or record["action"]["target"] != "welcome":
            found.wrong("arrived at the tool server though the record says no", record)
    for marker, times in markers.items():
        if times > 1:
            found.wrong("arrived more than once", f"{marker}: {times} times")
    for marker in seen.allowed - set(markers):
        found.wrong("answered as allowed and did not arrive", marker)
    allows = sum(body["verdict"] == "allow" for bodies in decisions.values() for body in bodies)
    found.counts |= {"arrived": len(arrived), "allowed_and_not_carried_out": allows - len(arrived)}


def request_id(request: Request) -> str:
    """The name that Envoy gave the request, which the record has too."""
    return next((value for key, value in request.headers if key.lower() == "x-request-id"), "")


def _denials(found: Found, seen: Seen, decisions: dict[str, list[Entry]]) -> None:
    verdicts = {body["decision_id"]: body["verdict"] for bodies in decisions.values() for body in bodies}
    for marker, told in seen.denied.items():
        if verdicts.get(told) != "deny":
            found.wrong("told as denied and not on record as that", f"{marker}: {told} {verdicts.get(told)}")


def _outcomes(found: Found, tenant: str, entries: Sequence[Entry]) -> None:
    allowed: set[str] = set()
    ended: Counter[str] = Counter()
    for entry in entries:
        body = entry["body"]
        if entry["kind"] == "decision" and body["verdict"] == "allow":
            allowed.add(body["decision_id"])
        elif entry["kind"] == "outcome":
            ended[body["decision_id"]] += 1
            if body["decision_id"] not in allowed:
                found.wrong("an outcome of a call that was not allowed before", body)
    for decision, times in ended.items():
        if times > 1:
            found.wrong("two outcomes of one call", f"{decision} in {tenant}: {times}")
    found.counts.setdefault("without_outcome", {})[tenant] = len(allowed - set(ended))
