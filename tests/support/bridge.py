"""Puts an unmodified stdio MCP server behind Streamable HTTP: `python -m support.bridge COMMAND...`.

It forwards tools only, in every protocol revision that the Python SDK serves, and counts nothing: what a tool did shows
in what it left behind. Prints `listening on PORT` when it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from typing import Any

import mcp_types as types
import uvicorn
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server


class Quiet(uvicorn.Server):
    """Leaves signals to us: uvicorn's own handling ends the process before the stdio server could be ended."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


async def serve(command: list[str]) -> None:
    parameters = StdioServerParameters(command=command[0], args=command[1:])
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as inner:
        hello = await inner.initialize()

        async def list_tools(
            _context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
        ) -> types.ListToolsResult:
            # Only the cursor: the outer request's envelope belongs to the outer connection.
            return await inner.list_tools(params=types.PaginatedRequestParams(cursor=params.cursor) if params else None)

        async def call_tool(
            _context: ServerRequestContext[Any], params: types.CallToolRequestParams
        ) -> types.CallToolResult:
            return await inner.call_tool(params.name, params.arguments)

        outer: Server[Any] = Server(
            hello.server_info.name, version=hello.server_info.version, on_list_tools=list_tools, on_call_tool=call_tool
        )
        listener = socket.create_server(("127.0.0.1", 0))
        print(f"listening on {listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            outer.streamable_http_app(), log_level="warning", ws="none", timeout_graceful_shutdown=1
        )
        server = Quiet(config)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(server, "should_exit", True))
        await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
