"""A real MCP server on the official SDK, in both eras, that is what a file says at this very moment.

`python -m support.changeling FILE LOG` serves `support.content.Script`: tools on pages, prompts, instructions, and what
calls are answered with; at `/mcp` over event streams, at `/json` as JSON. It logs what it was given, one JSON line per
call, and prints `listening on PORT` when it is ready.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette

Context = ServerRequestContext[Any]

PATIENCE_S = 3.0
"""How long a client's model may take."""


class Changeling:
    def __init__(self, file: Path, log: Path) -> None:
        self._file = file
        self._log = log.open("a", buffering=1)
        self._servers: list[Server[Any]] = []

    def _script(self) -> dict[str, Any]:
        return json.loads(self._file.read_text())

    def _note(self, **what: Any) -> None:
        self._log.write(json.dumps(what) + "\n")

    async def list_tools(self, _context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        script = self._script()
        pages = script["pages"]
        for server in self._servers:
            server.instructions = script["instructions"]
        at = int(params.cursor) if params and params.cursor else 0
        tools = [types.Tool.model_validate(tool) for tool in pages[at]]
        return types.ListToolsResult(tools=tools, next_cursor=str(at + 1) if at + 1 < len(pages) else None)

    async def list_prompts(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        prompts = [types.Prompt.model_validate(prompt) for prompt in self._script()["prompts"]]
        return types.ListPromptsResult(prompts=prompts)

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        self._note(method=context.method, name=params.name, arguments=params.arguments)
        content = types.TextContent(type="text", text="a prompt")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        meta = {key: value for key, value in dict(context.meta or {}).items() if key == "note"}
        self._note(method=context.method, name=params.name, arguments=params.arguments, meta=meta)
        answer = self._script()["answers"].get(params.name, {})
        for text in answer.get("logs", ()):
            await context.session.send_log_message(level="warning", data=text, related_request_id=context.request_id)
        for text in answer.get("broadcasts", ()):
            await context.session.send_log_message(level="warning", data=text)
        if "error" in answer:
            raise MCPError(code=-32000, message=answer["error"])
        if "asks" in answer:
            given = await self._ask(context, params, answer["asks"])
            if isinstance(given, types.InputRequiredResult):
                return given
            self._note(method="elicitation/create", given=given)
        if "samples" in answer:
            given = await self._sample(context, params, answer["samples"])
            if isinstance(given, types.InputRequiredResult):
                return given
            self._note(method="sampling/createMessage", given=given)
        result = answer.get("result", {"content": [{"type": "text", "text": "done"}]})
        return types.CallToolResult.model_validate(result)

    async def _ask(
        self, context: Context, params: types.CallToolRequestParams, message: str
    ) -> types.InputRequiredResult | dict[str, Any] | None:
        """What the client's user says, in the way of the connection's era."""
        schema = {"type": "object", "properties": {"said": {"type": "string"}}}
        if context.protocol_version < "2026":
            said = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
            return said.content
        if params.input_responses:
            [said] = params.input_responses.values()
            return said.content if isinstance(said, types.ElicitResult) else {"unexpected": str(said)}
        asked = types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))
        return types.InputRequiredResult(input_requests={"said": asked})

    async def _sample(
        self, context: Context, params: types.CallToolRequestParams, prompt: str
    ) -> types.InputRequiredResult | dict[str, Any]:
        """What the client's model says, in the way of the connection's era; nothing when it says nothing for a while."""
        asked = [types.SamplingMessage(role="user", content=types.TextContent(type="text", text=prompt))]
        if context.protocol_version < "2026":
            asking = context.session.create_message(asked, max_tokens=9, related_request_id=context.request_id)
            try:
                said: Any = await asyncio.wait_for(asking, PATIENCE_S)
            except TimeoutError:
                return {}
        elif params.input_responses:
            [said] = params.input_responses.values()
        else:
            wanted = types.CreateMessageRequestParams(messages=asked, max_tokens=9)
            return types.InputRequiredResult(input_requests={"said": types.CreateMessageRequest(params=wanted)})
        return said.model_dump(mode="json", exclude_none=True)

    def _serving(self) -> Server[Any]:
        return Server(
            "changeling",
            version="1",
            instructions=self._script()["instructions"],
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
        )

    async def serve(self) -> None:
        self._servers = [self._serving(), self._serving()]
        streamed = self._servers[0].streamable_http_app()
        whole = self._servers[1].streamable_http_app(streamable_http_path="/json", json_response=True)

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            async with streamed.router.lifespan_context(streamed), whole.router.lifespan_context(whole):
                yield

        listener = socket.create_server(("127.0.0.1", 0))
        print(f"listening on {listener.getsockname()[1]}", flush=True)
        app = Starlette(routes=[*streamed.routes, *whole.routes], lifespan=lifespan)
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(Changeling(Path(sys.argv[1]), Path(sys.argv[2])).serve())
