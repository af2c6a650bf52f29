"""Official Python SDK, current major (mcp 2.x). Reads a script as JSON on standard input, prints what its caller saw.

Input: `{"url", "headers": {...}, "era": "legacy" | "auto" | a version, "elicit": bool or what a form is filled with,
"sample": what the model says, "steps": [{"call": tool, "arguments": {...}, "meta"?: {...}} | {"prompt": name, "arguments": {...}} | {"list": true}
| {"until": file}]}`; a list is read to its last page, and `until` waits for a file.
Output: `{"connected", "error"?, "version"?, "instructions"?, "logs"?, "steps": [{"result"|"tools"|"error": ...}]}`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client


def described(error: BaseException) -> dict[str, Any]:
    if isinstance(error, BaseExceptionGroup):
        return described(error.exceptions[0])
    found: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
    if isinstance(error, MCPError):
        found |= {"code": error.error.code, "message": error.error.message, "data": error.error.data}
    return found


async def step(client: Client, wanted: dict[str, Any]) -> dict[str, Any]:
    try:
        if wanted.get("list"):
            return {"tools": await names(client)}
        if "until" in wanted:
            while not Path(wanted["until"]).exists():
                await anyio.sleep(0.02)
            return {}
        if "prompt" in wanted:
            got = await client.get_prompt(wanted["prompt"], wanted.get("arguments"))
            return {"result": got.model_dump(mode="json", by_alias=True, exclude_none=True)}
        result = await client.call_tool(wanted["call"], wanted.get("arguments"), meta=wanted.get("meta"))
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except Exception as error:
        return {"error": described(error)}


async def names(client: Client) -> list[str]:
    found: list[str] = []
    page = await client.list_tools(cache_mode="bypass")
    while True:
        found += [tool.name for tool in page.tools]
        if page.next_cursor is None:
            return found
        page = await client.list_tools(cursor=page.next_cursor)


async def main() -> None:
    script = json.load(sys.stdin)
    seen: dict[str, Any] = {"connected": False, "steps": []}

    async def elicited(_context: Any, params: Any) -> types.ElicitResult:
        seen.setdefault("elicitations", []).append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        content = script["elicit"] if isinstance(script["elicit"], dict) else None
        return types.ElicitResult(action="accept", content=content)

    async def sampled(_context: Any, params: Any) -> types.CreateMessageResult:
        seen.setdefault("samplings", []).append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        said = types.TextContent(type="text", text=script["sample"])
        return types.CreateMessageResult(role="assistant", content=said, model="none")

    async def logged(params: Any) -> None:
        seen.setdefault("logs", []).append(params.data)

    try:
        async with httpx2.AsyncClient(
            headers=script.get("headers", {}), timeout=httpx2.Timeout(30, read=120), trust_env=False
        ) as http:
            options: dict[str, Any] = {"elicitation_callback": elicited} if script.get("elicit") else {}
            if script.get("sample"):
                options["sampling_callback"] = sampled
            transport = streamable_http_client(script["url"], http_client=http)
            async with Client(transport, mode=script.get("era", "auto"), logging_callback=logged, **options) as client:
                seen |= {
                    "connected": True,
                    "version": str(client.protocol_version),
                    "instructions": client.instructions,
                }
                for wanted in script["steps"]:
                    seen["steps"].append(await step(client, wanted))
    except BaseException as error:
        seen["error"] = described(error)
    print(json.dumps(seen))


anyio.run(main)
