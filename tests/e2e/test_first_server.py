"""The README's way to one's own Envoy: `examples/first-server` and `envoy/call.yaml`, with nothing changed but ports."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import httpx

from support import envoy as envoys
from support import mcp, paths, servers
from support.envoy import Envoy
from support.process import Process

AUDIENCE = "http://127.0.0.1:10000/mcp"


def test_the_first_server_of_the_readme_works_as_it_is(folder: Path) -> None:
    """A12, A17: the shipped example allows what its data grants and refuses the rest."""
    home = folder / "examples" / "first-server"
    shutil.copytree(paths.PROJECT / "examples" / "first-server" / "bundle", home / "bundle")
    shutil.copytree(paths.PROJECT / "policies", folder / "policies")
    config = (paths.PROJECT / "examples" / "first-server" / "interdict.yaml").read_text()
    (home / "interdict.yaml").write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", config).replace("text", "json"))
    (home / "admin.token").write_text("a-token-of-the-readme")

    def interdict(*arguments: str) -> str:
        command = [str(paths.interdict_binary()), *arguments]
        return subprocess.run(command, cwd=home, check=True, capture_output=True, text=True).stdout

    minted = ["--key", "dev.pem", "--jwks", "jwks.json", "--issuer", "https://dev.test"]
    told = ["--agent", "my-agent", "--audience", AUDIENCE, "--lifetime", "43200"]
    token = interdict("token", *minted, *told).strip()
    interdict("config", "check", "--config", "interdict.yaml")

    with servers.everything(folder) as tools:
        command = [paths.interdict_binary(), "serve", "--config", "interdict.yaml"]
        server = Process("interdict", command, folder / "interdict.log", cwd=home)
        try:
            port = int(server.wait_for(r'"grpc":"127\.0\.0\.1:(\d+)"')[1])
            wiring = {"interdict": ("127.0.0.1", port), "mcp": tools.address}
            config_of_envoy = envoys.wire(envoys.shipped("call"), wiring, module=paths.filter_module())
            with Envoy(config_of_envoy, folder / "envoy") as envoy:

                def post(body: bytes, token: str | None = token) -> httpx.Response:
                    sent = mcp.headers(body, token=token)
                    return httpx.post(envoy.url(), content=body, headers=sent, timeout=30, trust_env=False)

                params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
                welcome = post(mcp.request(1, "initialize", params))
                assert welcome.status_code == 200 and "serverInfo" in welcome.text, envoy.tail() + server.tail()
                refused = post(mcp.call(2, "rm_rf")).json()["result"]
                assert refused["isError"] and refused["_meta"]["io.interdict/reason"] == "policy.no_allow"
                assert post(mcp.call(3, "echo"), token=None).status_code == 401
        finally:
            server.stop()
