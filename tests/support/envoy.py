"""A real Envoy of a chosen minor, from a configuration of ours with its ports and paths replaced."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from support import paths
from support.process import Process

Config = dict[str, Any]
Address = tuple[str, int]

HCM = "envoy.filters.network.http_connection_manager"
HCM_TYPE = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Envoy:
    """A running Envoy; `port` is its first listener, or the one that `at` chose."""

    _listener: str | None = None

    def __init__(self, config: Config, folder: Path, *, minor: str = paths.NEWEST_ENVOY, concurrency: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.minor = minor
        self.access_log = folder / "access.log"
        config = loopback(config, self.access_log)
        file = folder / "envoy.json"
        file.write_text(json.dumps(config, indent=1))
        admin_file = folder / "admin.address"
        self.process = Process(
            f"envoy {minor}",
            [
                paths.envoy_binary(minor),
                "--config-path",
                file,
                "--use-dynamic-base-id",
                "--concurrency",
                str(concurrency),
                "--admin-address-path",
                admin_file,
                "--log-level",
                "warning",
                "--component-log-level",
                "wasm:info",
                "--file-flush-interval-msec",
                "10",
            ],
            folder / "envoy.log",
        )
        try:
            address = self.process.wait_until(
                lambda: admin_file.read_text().strip() or None if admin_file.exists() else None, "admin address"
            )
            self._admin = httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False)
            self.process.wait_until(self._ready, "readiness", 120)
            self.ports = self._ports()
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> bool | None:
        try:
            return True if self._admin.get("/ready").status_code == 200 else None
        except httpx.HTTPError:
            return None

    def _ports(self) -> dict[str, int]:
        statuses = self._admin.get("/listeners?format=json").json()["listener_statuses"]
        return {status["name"]: status["local_address"]["socket_address"]["port_value"] for status in statuses}

    @property
    def port(self) -> int:
        return self.ports[self._listener] if self._listener else next(iter(self.ports.values()))

    def at(self, listener: str) -> Self:
        """The same Envoy, at another listener."""
        other = copy.copy(self)
        other._listener = listener
        return other

    def url(self, path: str = "/mcp") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def stats(self, prefix: str = "") -> dict[str, int]:
        """Counters and gauges whose name contains `prefix`."""
        listed = self._admin.get("/stats", params={"format": "json", "filter": prefix, "usedonly": ""}).json()["stats"]
        return {stat["name"]: stat["value"] for stat in listed if "value" in stat}

    def stats_text(self) -> str:
        return self._admin.get("/stats/prometheus").text

    def access_entries(self) -> list[dict[str, Any]]:
        """Access log entries; the shipped configurations write one JSON object per line."""
        if not self.access_log.exists():
            return []
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]

    def tail(self) -> str:
        return self.process.tail()

    def stop(self) -> None:
        # Envoy keeps nothing worth a slow goodbye.
        self.process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


# --- configurations ---------------------------------------------------------------------------------------------------


def shipped(name: str) -> Config:
    """`envoy/<name>.yaml` of the project, as it is."""
    return yaml.safe_load((paths.PROJECT / "envoy" / f"{name}.yaml").read_text())


def loopback(config: Config, access_log: Path) -> Config:
    """Listeners and admin on 127.0.0.1 with ports the kernel chooses; access logs into `access_log`."""
    config = copy.deepcopy(config)
    config["admin"] = {"address": _socket(("127.0.0.1", 0))}
    for listener in config["static_resources"]["listeners"]:
        listener["address"] = _socket(("127.0.0.1", 0))
    for node in walk(config):
        if "@type" in node and node["@type"].endswith(("StdoutAccessLog", "StderrAccessLog", "FileAccessLog")):
            node["@type"] = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
            node["path"] = str(access_log)
    return config


def wire(
    config: Config,
    clusters: Mapping[str, Address],
    *,
    module: Path | None = None,
) -> Config:
    """Points each named cluster at an address and Wasm code at `module`.

    A cluster that the configuration does not have is an error: a test that re-points nothing tests nothing.
    """
    config = copy.deepcopy(config)
    found = {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}
    for name, address in clusters.items():
        point(found[name], address)
    for node in walk(config):
        if module is not None and str(node.get("filename", "")).endswith(".wasm"):
            node["filename"] = str(module)
    return config


def point(cluster: Config, address: Address) -> None:
    cluster["type"] = "STATIC"
    cluster["load_assignment"] = {
        "cluster_name": cluster["name"],
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(address)}}]}],
    }


def bare(upstream: Address, *, add_headers: Mapping[str, str] | None = None) -> Config:
    """Envoy with nothing but its router in front of `upstream`.

    With `add_headers` it stands in for what knows an agent's token when the client cannot be told one.
    """
    route: Config = {"match": {"prefix": "/"}, "route": {"cluster": "mcp", "timeout": "0s"}}
    if add_headers:
        route["request_headers_to_add"] = [
            {"header": {"key": key, "value": value}} for key, value in add_headers.items()
        ]
    manager: Config = {
        "@type": HCM_TYPE,
        "stat_prefix": "bare",
        "http_protocol_options": {"enable_trailers": True},
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    cluster: Config = {
        "name": "mcp",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "mcp",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(upstream)}}]}],
        },
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "bare",
                    "address": _socket(("127.0.0.1", 0)),
                    "filter_chains": [{"filters": [{"name": HCM, "typed_config": manager}]}],
                }
            ],
            "clusters": [cluster],
        }
    }


def managers(config: Config) -> Iterator[Config]:
    """Every HTTP connection manager of the configuration."""
    return (node for node in walk(config) if node.get("@type") == HCM_TYPE)


def http_filter(config: Config, name_part: str) -> Config:
    """The one HTTP filter whose name contains `name_part`."""
    hits = [item for manager in managers(config) for item in manager["http_filters"] if name_part in item["name"]]
    assert len(hits) == 1, f"{len(hits)} filters match {name_part!r}"
    return hits[0]


def require_client_certificates(config: Config, authority: Path, certificate: Path, key: Path) -> None:
    """TLS on every listener; clients may show a certificate, and one that they show must be of `authority`."""
    context: Config = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": False,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [
                {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(key)}}
            ],
            "validation_context": {"trusted_ca": {"filename": str(authority)}},
        },
    }
    for listener in config["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}


def speak_tls(cluster: Config, authority: Path, own: tuple[Path, Path] | None) -> None:
    """TLS toward a cluster whose certificate is of `authority`, showing `own` (certificate, key) if there is one."""
    common: Config = {
        "validation_context": {
            "trusted_ca": {"filename": str(authority)},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}],
        }
    }
    if own is not None:
        common["tls_certificates"] = [
            {"certificate_chain": {"filename": str(own[0])}, "private_key": {"filename": str(own[1])}}
        ]
    cluster["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": common,
        },
    }


def change_plugin(config: Config, **changes: Any) -> None:
    """Changes keys of the filter's own JSON configuration, everywhere it appears; a table is merged."""
    hits = 0
    for node in walk(config):
        if "vm_config" in node and "configuration" in node:
            settings = json.loads(node["configuration"]["value"])
            for key, value in changes.items():
                old = settings.get(key)
                settings[key] = {**old, **value} if isinstance(old, dict) else value
            node["configuration"]["value"] = json.dumps(settings)
            hits += 1
    assert hits, "no Wasm filter in this configuration"


def remove_filter(config: Config, name_part: str) -> None:
    """Takes the HTTP filters whose name contains `name_part` out of every chain."""
    for manager in managers(config):
        manager["http_filters"] = [item for item in manager["http_filters"] if name_part not in item["name"]]


def remove_cluster(config: Config, name: str) -> None:
    clusters = config["static_resources"]["clusters"]
    config["static_resources"]["clusters"] = [cluster for cluster in clusters if cluster["name"] != name]


def follow_downstream_protocol(config: Config, cluster: str) -> None:
    """Talks HTTP/2 to `cluster` for an HTTP/2 client and HTTP/1.1 for the rest, trailers included."""
    for item in config["static_resources"]["clusters"]:
        if item["name"] == cluster:
            item["typed_extension_protocol_options"] = {
                PROTOCOL_OPTIONS: {
                    "@type": f"type.googleapis.com/{PROTOCOL_OPTIONS}",
                    "use_downstream_protocol_config": {
                        "http_protocol_options": {"enable_trailers": True},
                        "http2_protocol_options": {},
                    },
                }
            }
    for manager in managers(config):
        manager.setdefault("http_protocol_options", {})["enable_trailers"] = True


def _socket(address: Address) -> Config:
    return {"socket_address": {"address": address[0], "port_value": address[1]}}


def walk(node: Any) -> Iterator[Config]:
    """Every table of a configuration, at any depth."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)
