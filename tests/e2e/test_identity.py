"""Who may call: every way in which a token or a certificate can be wrong, through a real Envoy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support import canary as canaries
from support import mcp, stack
from support.interdict import RESOURCE
from support.patience import until
from support.servers import Canary
from support.stack import Stack
from support.tokens import Issuer

pytestmark = pytest.mark.usefixtures("fresh_log")


@pytest.fixture(scope="module", params=["call", "native"])
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running(request.param, folder / request.param, canary.address) as started:
        yield started


def now() -> int:
    return int(time.time())


BAD_TOKENS: dict[str, Callable[[Issuer], str]] = {
    "alg none": lambda issuer: issuer.unsigned("alice", RESOURCE),
    "HS256 with the public key": lambda issuer: issuer.signed_with_public_key("alice", RESOURCE),
    "wrong audience": lambda issuer: issuer.token("alice", "https://other.test/mcp"),
    "no audience": lambda issuer: issuer.token("alice", RESOURCE, aud=None),
    "expired by a second": lambda issuer: issuer.token("alice", RESOURCE, iat=now() - 300, exp=now() - 1),
    "no expiry": lambda issuer: issuer.token("alice", RESOURCE, exp=None),
    "not yet valid": lambda issuer: issuer.token("alice", RESOURCE, nbf=now() + 60),
    "issued in the future": lambda issuer: issuer.token("alice", RESOURCE, iat=now() + 120, exp=now() + 600),
    "lives a day": lambda issuer: issuer.token("alice", RESOURCE, exp=now() + 86_400),
    "unknown kid": lambda issuer: issuer.token("alice", RESOURCE, kid="key-9"),
    "unknown issuer": lambda issuer: issuer.token("alice", RESOURCE, iss="https://somebody.test"),
    "foreign key under the right kid": lambda issuer: Issuer(issuer.jwks_file.parent / "foreign", issuer.name).token(
        "alice", RESOURCE
    ),
    "signature cut off": lambda issuer: issuer.token("alice", RESOURCE).rpartition(".")[0] + ".",
    "not a token": lambda issuer: "hunter2",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused_with_a_challenge(kind: str, running: Stack, canary: Canary) -> None:
    """B1: refused with 401 and where to get a good one (RFC 6750, RFC 9728)."""
    answer = running.post(mcp.call(1, "welcome"), token=BAD_TOKENS[kind](running.issuer))
    assert answer.status_code == 401, f"{answer.status_code} {answer.text[:300]}\n{running.tail()}"
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert canary.requests() == []


def test_a_good_token_of_an_agent_that_nobody_registered_is_refused(running: Stack, canary: Canary) -> None:
    """A14, B1: unknown agents are denied."""
    answer = running.post(mcp.call(1, "welcome"), token=running.token("mallory"))
    assert b'"isError":false' not in answer.content
    assert canary.requests() == []


def test_two_credentials_are_refused(running: Stack, canary: Canary) -> None:
    """B1: no choice between two readings."""
    body = mcp.call(1, "welcome")
    headers = [*mcp.headers(body, token=running.token()), ("authorization", f"Bearer {running.token('bob')}")]
    answer = running.post(body, headers=headers)
    assert answer.status_code in (400, 401)
    assert canary.requests() == []


def test_a_token_in_the_query_counts_for_nothing(running: Stack, canary: Canary) -> None:
    """B1: RFC 6750 section 2.3 is not for us."""
    answer = running.post(mcp.call(1, "welcome"), token=None, path=f"/mcp?access_token={running.token()}")
    assert answer.status_code == 401
    assert canary.requests() == []


def test_a_forged_certificate_header_counts_for_nothing(running: Stack, canary: Canary) -> None:
    """B1: x-forwarded-client-cert from a client is not identity."""
    body = mcp.call(1, "welcome")
    forged = (
        "x-forwarded-client-cert",
        "By=spiffe://test.example/envoy;Hash=00;URI=spiffe://test.example/t/acme/a/alice",
    )
    answer = running.post(body, headers=[*mcp.headers(body), forged])
    assert answer.status_code == 401
    assert canary.requests() == []


def test_identity_is_established_for_every_call_of_a_connection(running: Stack, canary: Canary) -> None:
    """B2: the key goes away in the middle of a connection; the next call on it is refused, and works when it is back."""
    body = mcp.call(1, "welcome")
    headers = mcp.headers(body, token=running.token())
    with httpx.Client(timeout=30, trust_env=False) as connection:
        assert connection.post(running.url, content=body, headers=headers).content == canaries.expected_answer(body)
        running.issuer.drop_keys()
        try:
            assert until(lambda: connection.post(running.url, content=body, headers=headers).status_code == 401)
        finally:
            running.issuer.publish()
        assert until(lambda: connection.post(running.url, content=body, headers=headers).status_code == 200)


def test_the_metadata_document_is_served_without_a_token(running: Stack, canary: Canary) -> None:
    """B1, RFC 9728: where the challenge points, through Envoy too."""
    base = running.envoy.url("")
    answer = httpx.get(f"{base}/.well-known/oauth-protected-resource/mcp", timeout=30, trust_env=False)
    assert answer.status_code == 200, f"{answer.text[:300]}\n{running.tail()}"
    assert answer.json()["resource"] == RESOURCE
    assert canary.requests() == []
