"""Everything that can break is broken here, one by one: the call is refused, in bounded time, and nothing arrives."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from support import canary as canaries
from support import envoy as envoys
from support import fake_authz, mcp, paths, protobuf, raw, stack, trap
from support.envoy import Config, Envoy
from support.fake_authz import FakeAuthz
from support.loopback import nobody
from support.patience import until
from support.process import ProcessFailed
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")

BODY = mcp.call("fault", "welcome", {"x": 1})
HEADERS = mcp.headers(BODY, token="not-looked-at")
NO_ANSWER_S = 3.0
"""How long the shortened configurations wait for the decision point."""


@contextmanager
def proxy(
    mode: str,
    authz: tuple[str, int],
    canary: Canary,
    folder: Path,
    adjust: Callable[[Config], None] | None = None,
    minor: str = paths.NEWEST_ENVOY,
) -> Iterator[Envoy]:
    """Envoy in `mode` before the canary, with a decision point that the test provides."""
    config = stack.configuration(mode, authz, canary.address, timeout_s=NO_ANSWER_S)
    if adjust:
        adjust(config)
    with Envoy(config, folder, minor=minor) as running:
        yield running


def refused(envoy: Envoy, canary: Canary, *, body: bytes = BODY, within_s: float = 20.0) -> httpx.Response:
    """Posts, and asserts that the call was refused in time and did not arrive."""
    began = time.monotonic()
    answer = httpx.post(envoy.url(), content=body, headers=HEADERS, timeout=within_s + 5, trust_env=False)
    took = time.monotonic() - began
    assert b'"isError":false' not in answer.content, answer.text[:500]
    assert answer.status_code != 202
    assert took < within_s, f"took {took:.1f} s"
    assert canary.requests() == []
    return answer


# --- answers that are not answers ---------------------------------------------------------------------------------------

BAD_ANSWERS: dict[str, fake_authz.Answer] = {
    "garbage": fake_authz.always(b"\xff\xfe\xfd not protobuf"),
    "an empty CheckResponse": fake_authz.always(b""),
    "no status": fake_authz.always(protobuf.field(3, b"")),
    "denied with code 0": fake_authz.always(protobuf.denied_response(403, "no", grpc_code=0)),
    "ok with code 7": fake_authz.always(protobuf.field(1, protobuf.field(1, 7)) + protobuf.field(3, b"")),
    "ok without an enforcement": fake_authz.always(protobuf.ok_response()),
    "enforcement that is not JSON": fake_authz.always(protobuf.ok_response({"enforcement": "yes"})),
    "enforcement of another version": fake_authz.always(protobuf.allowing(v=2)),
    "enforcement that says deny": fake_authz.always(protobuf.allowing(verdict="deny")),
    "enforcement with an unknown obligation": fake_authz.always(protobuf.allowing(obligations=[{"type": "shred"}])),
    "enforcement with an unknown member": fake_authz.always(protobuf.allowing(note="x")),
    "an edit outside of the body": fake_authz.always(
        protobuf.allowing(obligations=[{"type": "replace_request_body", "length_before": 5, "edits": []}])
    ),
    "UNAVAILABLE": fake_authz.fails(grpc.StatusCode.UNAVAILABLE),
    "INTERNAL": fake_authz.fails(grpc.StatusCode.INTERNAL),
    "PERMISSION_DENIED": fake_authz.fails(grpc.StatusCode.PERMISSION_DENIED),
}

# Envoy's native filter looks at `status.code` alone, and a missing code is 0, which allows (seen on 1.36 to 1.40). It has
# no idea of an enforcement either. Our server therefore has one constructor for answers that never sends these.
NATIVE_ALLOWS = {"an empty CheckResponse", "no status", "denied with code 0"} | {
    name for name in BAD_ANSWERS if name.startswith(("ok without", "enforcement", "an edit"))
}


@pytest.fixture(scope="module")
def liar() -> Iterator[FakeAuthz]:
    with FakeAuthz(fake_authz.always(b"")) as server:
        yield server


@pytest.fixture(scope="module", params=stack.MODES)
def lied_to(
    request: pytest.FixtureRequest, liar: FakeAuthz, canary: Canary, folder: Path
) -> Iterator[tuple[str, Envoy]]:
    with proxy(request.param, liar.address, canary, folder / f"liar-{request.param}") as running:
        yield request.param, running


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_an_answer_that_is_not_an_allow_refuses(
    kind: str, lied_to: tuple[str, Envoy], liar: FakeAuthz, canary: Canary
) -> None:
    """A8."""
    mode, envoy = lied_to
    liar.answer = BAD_ANSWERS[kind]
    if mode == "native" and kind in NATIVE_ALLOWS:
        answer = httpx.post(envoy.url(), content=BODY, headers=HEADERS, timeout=30, trust_env=False)
        assert answer.content == canaries.expected_answer(BODY), "Envoy has become stricter: NATIVE_ALLOWS can shrink"
        return
    answer = refused(envoy, canary)
    if mode == "call":
        message = json.loads(answer.content)
        assert (answer.status_code, message["id"], message["error"]["code"]) == (200, "fault", -31503)
        assert message["error"]["data"]["reason"].startswith("enforcer.")


def test_a_proper_allow_passes(lied_to: tuple[str, Envoy], liar: FakeAuthz, canary: Canary) -> None:
    """The control of the test above: the same harness with a good answer lets the call through."""
    liar.answer = fake_authz.always(protobuf.allowing())
    answer = httpx.post(lied_to[1].url(), content=BODY, headers=HEADERS, timeout=30, trust_env=False)
    assert answer.content == canaries.expected_answer(BODY), lied_to[1].tail()


def test_a_slow_decision_point_refuses_when_its_time_is_over(
    lied_to: tuple[str, Envoy], liar: FakeAuthz, canary: Canary
) -> None:
    """A8."""
    release = threading.Event()
    liar.answer = fake_authz.silent(release)
    try:
        refused(lied_to[1], canary)
    finally:
        release.set()
    time.sleep(0.3)
    assert canary.requests() == [], "the late answer must change nothing"


def test_a_client_that_leaves_while_the_decision_is_pending_leaves_nothing_behind(
    lied_to: tuple[str, Envoy], liar: FakeAuthz, canary: Canary
) -> None:
    """A8: the late Allow finds no stream; Envoy lives on."""
    mode, envoy = lied_to
    release = threading.Event()
    liar.answer = fake_authz.silent(release)
    before = len(liar.requests)

    async def leave() -> None:
        http1, http2 = await raw.Http1.connect(envoy.port), await raw.Http2.connect(envoy.port)
        await http1.send(
            [raw.http1_head("POST", "/mcp", [("host", "x"), *HEADERS, ("content-length", str(len(BODY)))]) + BODY]
        )
        waiting = asyncio.ensure_future(http2.request("POST", "/mcp", HEADERS, [BODY]))
        for _ in range(1_000):
            if len(liar.requests) >= before + 2:
                break
            await asyncio.sleep(0.02)
        assert len(liar.requests) >= before + 2, "the calls never reached the decision point"
        http1.abort()
        await http2.close()
        waiting.cancel()

    asyncio.run(leave())
    time.sleep(0.2)
    liar.answer = fake_authz.always(protobuf.allowing())
    release.set()
    time.sleep(0.3)
    assert canary.requests() == []
    answer = httpx.post(envoy.url(), content=BODY, headers=HEADERS, timeout=30, trust_env=False)
    assert answer.content == canaries.expected_answer(BODY), f"{mode}: Envoy must live on\n{envoy.tail()}"


# --- bodies -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_body_over_the_limit_is_refused_whatever_its_framing(
    http2: bool, lied_to: tuple[str, Envoy], liar: FakeAuthz, canary: Canary
) -> None:
    """A8: without a content-length, three megabytes in pieces."""
    liar.answer = fake_authz.always(protobuf.allowing())
    mode, envoy = lied_to
    pieces = [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"welcome","arguments":{"x":"',
        *[b"x" * 60_000] * 50,
        b'"}}}',
    ]

    async def post() -> raw.Reply:
        if http2:
            return await (await raw.Http2.connect(envoy.port)).request("POST", "/mcp", HEADERS, pieces)
        connection = await raw.Http1.connect(envoy.port)
        head = raw.http1_head("POST", "/mcp", [("host", "x"), *HEADERS, ("transfer-encoding", "chunked")])
        try:
            await connection.send([head, *(raw.chunked([piece], [])[:-5] for piece in pieces), b"0\r\n\r\n"])
        except ConnectionError:
            pass  # answered and closed before everything was sent
        return await connection.receive()

    try:
        reply = asyncio.run(asyncio.wait_for(post(), 60))
        assert b'"isError":false' not in reply.body
        assert reply.status == 413 or b'"error"' in reply.body, f"{mode}: {reply.status} {reply.body[:300]!r}"
    except ConnectionError:
        pass  # a reset is a refusal too
    assert canary.requests() == []


def test_a_body_that_never_ends_does_not_wait_for_ever(liar: FakeAuthz, canary: Canary, folder: Path) -> None:
    """A8: half a body, then silence."""
    liar.answer = fake_authz.always(protobuf.allowing())

    def hurry(config: Config) -> None:
        envoys.change_plugin(config, body_timeout_ms=1000)

    with proxy("call", liar.address, canary, folder / "stalled", hurry) as envoy:

        async def post() -> raw.Reply:
            connection = await raw.Http1.connect(envoy.port)
            head = raw.http1_head("POST", "/mcp", [("host", "x"), *HEADERS, ("content-length", str(len(BODY)))])
            await connection.send([head, BODY[:20]])
            return await connection.receive()

        reply = asyncio.run(asyncio.wait_for(post(), 30))
        assert reply.status in (200, 400, 408), reply
        assert b"enforcer." in reply.body
    assert canary.requests() == []


# --- parts that are missing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", stack.MODES)
def test_a_decision_point_that_is_not_there_refuses(mode: str, canary: Canary, folder: Path) -> None:
    """A8: nothing listens at its address."""
    with nobody() as gone, proxy(mode, gone, canary, folder / f"gone-{mode}") as envoy:
        refused(envoy, canary)


@pytest.mark.parametrize("mode", stack.MODES)
def test_an_envoy_without_the_cluster_refuses(mode: str, canary: Canary, folder: Path) -> None:
    """A7, A8: the decision point's cluster was taken out of the configuration."""

    def adjust(config: Config) -> None:
        envoys.remove_cluster(config, stack.SERVER_CLUSTER)

    try:
        with proxy(mode, ("127.0.0.1", 9), canary, folder / f"no-cluster-{mode}", adjust) as envoy:
            refused(envoy, canary)
    except ProcessFailed:
        pass  # Envoy refuses such a configuration: nothing passes either
    assert canary.requests() == []


@pytest.mark.parametrize("broken", ["absent", "empty", "not Wasm"])
@pytest.mark.parametrize("mode", ["call", "split"])
def test_an_envoy_without_the_module_lets_nothing_through(
    mode: str, broken: str, liar: FakeAuthz, canary: Canary, folder: Path
) -> None:
    """A7, A8."""
    liar.answer = fake_authz.always(protobuf.allowing())
    place = folder / f"module-{mode}-{broken}"
    place.mkdir()
    module = place / "filter.wasm"
    if broken != "absent":
        module.write_bytes(b"" if broken == "empty" else b"this is not a module")
    config = envoys.wire(stack.configuration(mode, liar.address, canary.address), {}, module=module)
    try:
        with Envoy(config, place) as envoy:
            refused(envoy, canary)
    except ProcessFailed:
        pass  # Envoy refuses to start: nothing passes either
    assert canary.requests() == []


@pytest.mark.smoke
@pytest.mark.parametrize("minor", paths.envoy_minors())
@pytest.mark.parametrize("mode", ["call", "split"])
def test_a_trapped_vm_lets_nothing_through(
    mode: str, minor: str, liar: FakeAuthz, canary: Canary, folder: Path
) -> None:
    """A8: the failure policy that we ship, with a module that traps on every request."""
    liar.answer = fake_authz.always(protobuf.allowing())
    place = folder / f"trap-{mode}-{minor}"
    place.mkdir()
    module = place / "filter.wasm"
    module.write_bytes(trap.module())
    config = envoys.wire(stack.configuration(mode, liar.address, canary.address), {}, module=module)
    with Envoy(config, place, minor=minor) as envoy:
        for _ in range(5):
            assert refused(envoy, canary).status_code == 503
            time.sleep(0.3)
        assert "unreachable" in envoy.process.text(), "the module did not trap, so this proves nothing"


def test_split_mode_without_the_native_filter_refuses(liar: FakeAuthz, canary: Canary, folder: Path) -> None:
    """A7: the filter finds no metadata and denies."""
    with proxy(
        "split", liar.address, canary, folder / "alone", lambda config: envoys.remove_filter(config, "ext_authz")
    ) as envoy:
        refused(envoy, canary)


@pytest.mark.smoke
@pytest.mark.parametrize("minor", paths.envoy_minors())
def test_a_call_filter_without_the_header_hold_flag_says_so_within_seconds(
    minor: str, liar: FakeAuthz, canary: Canary, folder: Path
) -> None:
    """A8: instead of hanging, an answer that names the field to set."""
    liar.answer = fake_authz.always(protobuf.allowing())

    def unhold(config: Config) -> None:
        hits = [node for node in envoys.walk(config) if node.pop("allow_on_headers_stop_iteration", None) is not None]
        assert hits, "the shipped configuration does not set the flag"

    with proxy("call", liar.address, canary, folder / f"unhold-{minor}", unhold, minor) as envoy:
        answer = refused(envoy, canary)
    assert "enforcer.header_hold_missing" in answer.text
    assert "allow_on_headers_stop_iteration" in answer.text


@pytest.mark.parametrize("mode", stack.MODES)
def test_a_cluster_that_is_removed_while_a_decision_is_pending_refuses_the_call(
    mode: str, liar: FakeAuthz, canary: Canary, folder: Path
) -> None:
    """A8: by the control plane, in the middle of a call; calls after it are refused as well, and Envoy lives on."""
    release = threading.Event()
    liar.answer = fake_authz.silent(release)
    before = len(liar.requests)
    place = folder / f"cds-{mode}"
    place.mkdir()
    clusters = place / "clusters.json"

    def publish(items: list[Config]) -> None:
        draft = place / "clusters.new"
        typed = [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", **item} for item in items]
        draft.write_text(json.dumps({"version_info": str(len(items)), "resources": typed}))
        draft.replace(clusters)

    def hand_over(config: Config) -> None:
        publish([item for item in config["static_resources"]["clusters"] if item["name"] == stack.SERVER_CLUSTER])
        envoys.remove_cluster(config, stack.SERVER_CLUSTER)
        config["node"] = {"id": "test", "cluster": "test"}
        config["dynamic_resources"] = {
            "cds_config": {"resource_api_version": "V3", "path_config_source": {"path": str(clusters)}}
        }

    answers: list[httpx.Response] = []
    try:
        with proxy(mode, liar.address, canary, place, hand_over) as envoy:
            held = threading.Thread(target=lambda: answers.append(refused(envoy, canary)))
            held.start()
            until(lambda: len(liar.requests) > before, "call at the decision point")
            publish([])
            held.join(60)
            assert answers, "the call hangs"
            refused(envoy, canary)
            assert envoy.process.running
    finally:
        release.set()


# --- the real server dies -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=stack.MODES)
def mortal(request: pytest.FixtureRequest, canary: Canary, folder: Path) -> Iterator[Stack]:
    with stack.running(
        request.param,
        folder / f"mortal-{request.param}",
        canary.address,
        intercepted=["careful"],
        timeout_s=30,
        approvals={"hold_seconds": 20},
    ) as started:
        yield started


def test_a_server_killed_in_the_middle_of_a_call_refuses_it_and_all_others_until_it_is_back(
    mortal: Stack, canary: Canary
) -> None:
    """A8: kill -9 while a call waits for its approval; nothing passes in the gap; then it works again."""
    answers: list[httpx.Response] = []
    body = mcp.call("held", "careful", {"n": time.monotonic_ns()})
    token = mortal.token()
    held = threading.Thread(target=lambda: answers.append(mortal.post(body, token=token)))
    held.start()
    mortal.interdict.wait_pending()
    mortal.interdict.kill()
    held.join(60)
    assert answers and b'"isError":false' not in answers[0].content, f"{answers}\n{mortal.envoy.tail()}"
    for ident in range(20):
        assert b'"isError":false' not in mortal.post(mcp.call(ident, "welcome")).content
    assert canary.requests() == []
    mortal.interdict.restart()
    good = mcp.call("after", "welcome")
    until(lambda: mortal.post(good).content == canaries.expected_answer(good), "answer after the restart")


def test_a_tool_server_that_is_gone_is_an_error_and_not_a_hang(folder: Path, canary: Canary) -> None:
    """A10: Envoy's own answer for a dead upstream passes through the filter."""
    with nobody() as gone, stack.running("call", folder / "dead-upstream", gone) as running:
        assert running.post(mcp.call(1, "welcome")).status_code == 503
