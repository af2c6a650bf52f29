"""Certificates as identity: what Envoy verified counts, what a client writes into a header does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support import canary as canaries
from support import envoy as envoys
from support import mcp, stack
from support.certificates import Authority, Pair
from support.interdict import TRUST_DOMAIN, spiffe
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")

BODY = mcp.call(1, "welcome")


@dataclass
class Secured:
    """A stack behind TLS, and who can make certificates for it."""

    stack: Stack
    authority: Authority

    def post(self, client: Pair | None, *, token: str | None = None, more: mcp.Headers | None = None) -> httpx.Response:
        headers = [*mcp.headers(BODY, token=token), *(more or [])]
        url = f"https://127.0.0.1:{self.stack.envoy.port}/mcp"
        with httpx.Client(verify=self.authority.client_context(client), timeout=30, trust_env=False) as connection:
            return connection.post(url, content=BODY, headers=headers)

    def certificate(self, name: str, *uris: str) -> Pair:
        return self.authority.issue(name, uris=uris)


@contextmanager
def secured(mode: str, folder: Path, canary: Canary) -> Iterator[Secured]:
    authority = Authority(folder / "authority")
    server = authority.issue("server")
    with stack.running(
        mode,
        folder,
        canary.address,
        adjust=lambda config: envoys.require_client_certificates(
            config, authority.file, server.certificate, server.key
        ),
        identity={"mtls": {"trust_domains": [TRUST_DOMAIN], "certificate_evidence": "required", "sufficient": True}},
    ) as running:
        yield Secured(running, authority)


@pytest.fixture(scope="module", params=stack.MODES)
def door(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Secured]:
    with secured(request.param, folder / request.param, canary) as made:
        yield made


def allowed(answer: httpx.Response) -> bool:
    return answer.content == canaries.expected_answer(BODY)


def test_a_verified_certificate_is_enough(door: Secured) -> None:
    """B1, B2: X.509-SVID, no token."""
    answer = door.post(door.certificate("alice", spiffe("alice")))
    assert allowed(answer), f"{answer.status_code} {answer.text[:300]}\n{door.stack.tail()}"


def test_a_certificate_and_a_token_of_the_same_agent_agree(door: Secured) -> None:
    """B1."""
    assert allowed(door.post(door.certificate("alice", spiffe("alice")), token=door.stack.token("alice")))


def test_a_token_of_another_agent_over_a_foreign_certificate_is_refused(door: Secured, canary: Canary) -> None:
    """B1, B12: bob's token in alice's hands is worth nothing."""
    refused(door.post(door.certificate("alice", spiffe("alice")), token=door.stack.token("bob")), canary)


def test_a_certificate_with_two_uri_names_is_refused(door: Secured, canary: Canary) -> None:
    """B1: Envoy reports only the first; the evidence shows both, in either order."""
    refused(door.post(door.certificate("two", spiffe("alice"), spiffe("bob"))), canary)
    refused(door.post(door.certificate("owt", spiffe("bob"), spiffe("alice"))), canary)
    refused(door.post(door.certificate("mix", spiffe("alice"), "https://elsewhere.test/x")), canary)


def test_a_certificate_of_another_trust_domain_is_refused(door: Secured, canary: Canary) -> None:
    """B1."""
    refused(door.post(door.certificate("stranger", "spiffe://elsewhere.test/t/acme/a/alice")), canary)


def test_a_certificate_of_an_unregistered_agent_is_refused(door: Secured, canary: Canary) -> None:
    """A14, B1."""
    refused(door.post(door.certificate("mallory", spiffe("mallory"))), canary)


def test_a_certificate_of_another_authority_does_not_get_in(door: Secured, canary: Canary, tmp_path: Path) -> None:
    """B1: Envoy itself refuses the connection."""
    foreign = Authority(tmp_path, "foreign").issue("alice", uris=[spiffe("alice")])
    with pytest.raises(httpx.TransportError):
        door.post(foreign)
    assert canary.requests() == []


def test_a_forged_certificate_header_changes_nothing(door: Secured, canary: Canary) -> None:
    """B1: without a certificate it names nobody; with one, Envoy replaces it."""
    forged = [("x-forwarded-client-cert", f"By=spiffe://{TRUST_DOMAIN}/envoy;Hash=00;URI={spiffe('bob')}")]
    refused(door.post(None, more=forged), canary)
    assert allowed(door.post(door.certificate("alice", spiffe("alice")), more=forged))
    agents = {event.get("agent") for event in door.stack.interdict.events()}
    assert "bob" not in agents


def test_without_certificate_and_token_nobody_gets_in(door: Secured, canary: Canary) -> None:
    """B1."""
    refused(door.post(None), canary)


def refused(answer: httpx.Response, canary: Canary) -> None:
    assert answer.status_code in (401, 403) or b'"isError":false' not in answer.content
    assert not allowed(answer)
    assert canary.requests() == []
