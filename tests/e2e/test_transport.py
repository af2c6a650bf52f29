"""Between Envoy and the decision point: a Unix socket, or TLS with certificates on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import canary as canaries
from support import envoy as envoys
from support import interdict as servers
from support import mcp, stack
from support.certificates import Authority
from support.envoy import Config, Envoy
from support.interdict import Interdict
from support.servers import Canary
from support.stack import Stack
from support.tokens import Issuer

pytestmark = pytest.mark.usefixtures("fresh_log")

BODY = mcp.call(1, "welcome")


def cluster(config: Config) -> Config:
    """The decision point's cluster."""
    return next(item for item in config["static_resources"]["clusters"] if item["name"] == stack.SERVER_CLUSTER)


@pytest.mark.parametrize("mode", stack.MODES)
def test_envoy_reaches_the_decision_point_over_a_unix_socket(mode: str, tmp_path: Path, canary: Canary) -> None:
    """A12: no port is opened at all."""
    issuer = Issuer(tmp_path / "issuer")
    socket = tmp_path / "interdict.sock"
    listen = {"grpc": {"address": f"unix:{socket}"}}
    with Interdict(tmp_path / "interdict", servers.bundle(issuer.name), issuer, listen=listen) as decision_point:
        config = stack.configuration(mode, ("127.0.0.1", 9), canary.address)
        endpoint = cluster(config)["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"] = {"pipe": {"path": str(socket)}}
        with Envoy(config, tmp_path / "envoy") as envoy:
            running = Stack(mode, issuer, decision_point, envoy)
            assert running.post(BODY).content == canaries.expected_answer(BODY), running.tail()


def test_only_an_envoy_with_a_certificate_of_ours_is_answered(tmp_path: Path, canary: Canary) -> None:
    """A8: the decision point asks for a client certificate; without one Envoy gets no decision, and denies."""
    issuer = Issuer(tmp_path / "issuer")
    authority = Authority(tmp_path / "authority")
    server, client = authority.issue("decision-point"), authority.issue("envoy")
    tls = {"cert": str(server.certificate), "key": str(server.key), "client_ca": str(authority.file)}
    with Interdict(
        tmp_path / "interdict", servers.bundle(issuer.name), issuer, listen={"grpc": {"tls": tls}}
    ) as decision_point:
        for name, pair in (("with", client), ("without", None)):
            config = stack.configuration("call", decision_point.grpc, canary.address)
            envoys.speak_tls(cluster(config), authority.file, (pair.certificate, pair.key) if pair else None)
            with Envoy(config, tmp_path / f"envoy-{name}") as envoy:
                running = Stack("call", issuer, decision_point, envoy)
                answer = running.post(BODY)
                if pair:
                    assert answer.content == canaries.expected_answer(BODY), running.tail()
                    canary.forget()
                else:
                    assert b'"isError":false' not in answer.content
                    assert canary.requests() == []
