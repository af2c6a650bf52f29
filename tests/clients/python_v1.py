"""Official Python SDK, previous major (mcp 1.x); input and output as in `python_v2.py`. Handshake era only."""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import mcp.types as types
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client


def described(error: BaseException) -> dict[str, Any]:
    if isinstance(error, BaseExceptionGroup):
        return described(error.exceptions[0])
    found: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
    if isinstance(error, McpError):
        found |= {"code": error.error.code, "message": error.error.message, "data": error.error.data}
    return found


async def step(session: ClientSession, wanted: dict[str, Any]) -> dict[str, Any]:
    try:
        if wanted.get("list"):
            return {"tools": await names(session)}
        if "until" in wanted:
            while not Path(wanted["until"]).exists():
                await anyio.sleep(0.02)
            return {}
        if "prompt" in wanted:
            got = await session.get_prompt(wanted["prompt"], wanted.get("arguments"))
            return {"result": got.model_dump(mode="json", by_alias=True, exclude_none=True)}
        with anyio.fail_after(60):
            result = await session.call_tool(wanted["call"], wanted.get("arguments"), meta=wanted.get("meta"))
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except Exception as error:
        return {"error": described(error)}


async def names(session: ClientSession) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        found += [tool.name for tool in page.tools]
        if (cursor := page.nextCursor) is None:
            return found


async def main() -> None:
    script = json.load(sys.stdin)
    seen: dict[str, Any] = {"connected": False, "steps": []}

    async def elicited(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        seen.setdefault("elicitations", []).append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        content = script["elicit"] if isinstance(script["elicit"], dict) else None
        return types.ElicitResult(action="accept", content=content)

    async def sampled(_context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        seen.setdefault("samplings", []).append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        said = types.TextContent(type="text", text=script["sample"])
        return types.CreateMessageResult(role="assistant", content=said, model="none")

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        seen.setdefault("logs", []).append(params.data)

    try:
        async with (
            httpx.AsyncClient(
                headers=script.get("headers", {}), timeout=httpx.Timeout(30, read=120), trust_env=False
            ) as http,
            streamable_http_client(script["url"], http_client=http) as (read, write, _session_id),
            ClientSession(
                read,
                write,
                elicitation_callback=elicited if script.get("elicit") else None,
                sampling_callback=sampled if script.get("sample") else None,
                logging_callback=logged,
            ) as session,
        ):
            hello = await session.initialize()
            seen |= {"connected": True, "version": str(hello.protocolVersion), "instructions": hello.instructions}
            for wanted in script["steps"]:
                seen["steps"].append(await step(session, wanted))
    except BaseException as error:
        seen["error"] = described(error)
    print(json.dumps(seen))


anyio.run(main)
