"""A decision point that misbehaves on request: any bytes, late, never, or an error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc

from support import protobuf

Answer = Callable[[bytes, grpc.ServicerContext], bytes]
Taking = Callable[[list[protobuf.Outcome]], int]

CHECK = "/envoy.service.auth.v3.Authorization/Check"
REPORT = "/interdict.v1.Outcomes/Report"


def always(response: bytes) -> Answer:
    return lambda _request, _context: response


def fails(code: grpc.StatusCode) -> Answer:
    def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, "as the test asked")
        raise AssertionError("abort returned")

    return answer


def silent(until: threading.Event) -> Answer:
    """Keeps every call waiting until the event is set."""

    def answer(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        until.wait(60)
        return protobuf.ok_response()

    return answer


class FakeAuthz:
    """Serves Check on a loopback port; `answer` may be replaced at any time; `requests` holds what was asked.

    It serves Report too: `outcomes` holds what was told, call by call, and `taking` says how many of a batch are taken;
    `hostile` has the decisions whose answers were said to give orders before their outcome.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.outcomes: list[list[protobuf.Outcome]] = []
        self.hostile: list[str] = []
        self.taking: Taking = len
        self._server = grpc.server(ThreadPoolExecutor(32))
        self._server.add_generic_rpc_handlers((_Handler(self),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def stop(self) -> None:
        self._server.stop(grace=None).wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, owner: FakeAuthz) -> None:
        self._owner = owner

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if call.method == REPORT:
            return grpc.unary_unary_rpc_method_handler(self._report)
        if call.method != CHECK:
            return None

        def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
            self._owner.requests.append(request)
            return self._owner.answer(request, context)

        return grpc.unary_unary_rpc_method_handler(handle)

    def _report(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        batch = protobuf.outcomes(request)
        hostile = protobuf.hostile(request)
        self._owner.hostile.extend(hostile)
        if batch or not hostile:
            self._owner.outcomes.append(batch)
        return protobuf.field(1, self._owner.taking(batch))
