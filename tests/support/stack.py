"""Envoy with Interdict in front of a tool server: the whole path, in one of its three modes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from support import envoy as envoys
from support import interdict as servers
from support import mcp, paths
from support.envoy import Address, Config, Envoy
from support.interdict import Bundle, Interdict
from support.tokens import Issuer

MODES = ("call", "split", "native")
SERVER_CLUSTER = "interdict"
TOOL_CLUSTER = "mcp"


@dataclass
class Stack:
    mode: str
    issuer: Issuer
    interdict: Interdict
    envoy: Envoy

    @property
    def url(self) -> str:
        return self.envoy.url()

    def token(self, agent: str = "alice", audience: str = servers.RESOURCE, **changed: Any) -> str:
        return self.issuer.token(agent, audience, **changed)

    def post(
        self,
        body: bytes,
        *,
        token: str | None = "",
        era: str = mcp.LEGACY,
        path: str = "/mcp",
        headers: mcp.Headers | None = None,
        timeout_s: float = 30.0,
    ) -> httpx.Response:
        """One POST as alice (or with `token`; None sends none). No `headers` means those an SDK client sends."""
        token = self.token() if token == "" else token
        sent = mcp.headers(body, token=token, era=era) if headers is None else headers
        return httpx.post(self.envoy.url(path), content=body, headers=sent, timeout=timeout_s, trust_env=False)

    def tail(self) -> str:
        """The ends of both logs, for the message of a failed assertion."""
        return f"{self.envoy.tail()}\n{self.interdict.tail()}"


    def at(self, listener: str) -> Stack:
        """The same, at another listener of Envoy."""
        return replace(self, envoy=self.envoy.at(listener))


def configuration(mode: str, authz: Address, upstream: Address, *, timeout_s: float | None = None) -> Config:
    """`envoy/<mode>.yaml` of the project with its clusters and its module in place; `timeout_s` for the decision."""
    config = envoys.shipped(mode)
    module = None if mode == "native" else paths.filter_module()
    config = envoys.wire(config, {SERVER_CLUSTER: authz, TOOL_CLUSTER: upstream}, module=module)
    if timeout_s is not None and mode == "call":
        envoys.change_plugin(config, authz={"timeout_ms": int(timeout_s * 1000)})
    elif timeout_s is not None:
        envoys.http_filter(config, "ext_authz")["typed_config"]["grpc_service"]["timeout"] = f"{timeout_s}s"
    return config


def add_listener(config: Config, name: str, upstream: Address) -> None:
    """One more that is configured like the first, in front of another tool server."""
    resources = config["static_resources"]
    [listener] = copy.deepcopy([one for one in resources["listeners"] if one["name"] == TOOL_CLUSTER])
    [cluster] = copy.deepcopy([one for one in resources["clusters"] if one["name"] == TOOL_CLUSTER])
    listener["name"] = cluster["name"] = name
    for node in envoys.walk(listener):
        if node.get("cluster") == TOOL_CLUSTER:
            node["cluster"] = name
        if str(node.get("name", "")).startswith("interdict-"):
            # Every use of the module has a name of its own; the VM is the same, as it takes seconds to make.
            node["name"] += f"-{name}"
    envoys.point(cluster, upstream)
    resources["listeners"].append(listener)
    resources["clusters"].append(cluster)


@contextmanager
def running(
    mode: str,
    folder: Path,
    upstream: Address,
    *,
    denied: Sequence[str] = (),
    intercepted: Sequence[str] = (),
    policy: Callable[[str], Bundle] | None = None,
    entry: dict[str, Any] | None = None,
    adjust: Callable[[Config], None] | None = None,
    minor: str = paths.NEWEST_ENVOY,
    concurrency: int = 1,
    timeout_s: float | None = None,
    **overrides: Any,
) -> Iterator[Stack]:
    """Starts the decision point and Envoy; `adjust` may change Envoy's configuration, `overrides` the server's,
    `entry` the registry entry of the tool server, and `policy` replaces the whole bundle."""
    issuer = Issuer(folder / "issuer")
    registered = servers.server(enforcement="split" if mode == "split" else "native", **(entry or {}))
    bundle = (
        policy(issuer.name)
        if policy
        else servers.bundle(issuer.name, denied=denied, intercepted=intercepted, servers=[registered])
    )
    with Interdict(folder / "interdict", bundle, issuer, **overrides) as decision_point:
        config = configuration(mode, decision_point.grpc, upstream, timeout_s=timeout_s)
        if adjust:
            adjust(config)
        with Envoy(config, folder / "envoy", minor=minor, concurrency=concurrency) as proxy:
            yield Stack(mode, issuer, decision_point, proxy)
