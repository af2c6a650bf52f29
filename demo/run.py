"""`make demo`: a short story in six acts, played by real programs."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import evidence
import groceries
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from scene import AGENT, Scene, running
from stage import Stage

PERSON = "pat"


def text_of(result: Any) -> str:
    return "\n".join(block.text for block in result.content if hasattr(block, "text"))


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        async with Client(streamable_http_client(url, http_client=http)) as agent:
            yield agent


async def play(scene: Scene, stage: Stage) -> None:
    here = {"repo_path": str(scene.cookbook)}
    evidence.keep_key(scene)
    stage.tell(
        f"""A family keeps its recipes in git. An agent, {AGENT}, may look after them through an MCP server (mcp-server-git,
        straight from PyPI, unmodified). Between the two stands an Envoy with Interdict. The agent uses the official Python
        SDK and has no idea of any of this: it was given a URL and a token."""
    )
    async with connected(scene.url, scene.token) as agent:
        await allowed(agent, here, stage)
        await denied(agent, scene, here, stage)
        await intercepted(agent, scene, here, stage)
    async with connected(scene.grocer_url, scene.grocer_token) as agent:
        await groceries.redacted(agent, scene, stage)
        await groceries.cut(agent, stage)
        await groceries.poisoned(agent, scene, PERSON, stage)
    await asyncio.to_thread(evidence.asked_for, scene, PERSON, stage)


async def allowed(agent: Client, here: dict[str, str], stage: Stage) -> None:
    stage.act("Act one: Allow")
    stage.tell("The agent reads the history of the cookbook. Its role permits that, so the call passes untouched.")
    stage.says(AGENT, "git_log")
    result = await agent.call_tool("git_log", {**here, "max_count": 1})
    assert not result.is_error and "apple pie" in text_of(result), text_of(result)
    stage.says(
        "the cookbook",
        "\n".join(line for line in text_of(result).splitlines() if line.startswith(("Author", "Message"))),
    )


async def denied(agent: Client, scene: Scene, here: dict[str, str], stage: Stage) -> None:
    stage.act("Act two: Deny")
    stage.tell(
        "A new ingredient is staged but not yet committed. The agent decides to tidy up, and git_reset would wipe it out."
    )
    stage.says(AGENT, "git_reset")
    result = await agent.call_tool("git_reset", here)
    stage.says("interdict", text_of(result))
    assert result.is_error, text_of(result)
    assert scene.staged() == ["apple-pie.txt"], "the reset went through"
    stage.tell(
        f"""The call never left Envoy. Git itself confirms it: {scene.staged()[0]} is still staged. The agent got a proper tool
        error, in its own protocol, and its connection still works."""
    )


async def intercepted(agent: Client, scene: Scene, here: dict[str, str], stage: Stage) -> None:
    stage.act("Act three: Intercept")
    stage.tell(
        "Now the agent wants to commit the new ingredient. History is for ever, so the policy wants a person to look."
    )
    commit = {**here, "message": "Add the secret ingredient"}
    stage.says(AGENT, f'git_commit "{commit["message"]}"')
    waiting = asyncio.ensure_future(agent.call_tool("git_commit", commit))
    approval = await asyncio.to_thread(scene.interdict.wait_pending)
    assert len(scene.commits()) == 1, "the commit did not wait"
    stage.tell(
        f"The call waits. The cookbook has {len(scene.commits())} commit. Meanwhile {PERSON} opens a terminal and reads:"
    )
    stage.says(
        "interdict",
        f"{approval['agent']} wants {approval['tool']} on {approval['server']}: {approval['arguments']['message']!r}",
    )
    stage.says(PERSON, f"interdict approvals approve {approval['id']} --by {PERSON}")
    code, output = await asyncio.to_thread(scene.person, "approve", approval["id"], "--by", PERSON)
    assert code == 0, output
    result = await waiting
    assert not result.is_error, text_of(result)
    stage.says("the cookbook", text_of(result))
    assert scene.commits() == ["Add the secret ingredient", "Write down the apple pie"]
    stage.tell(
        f"""The agent's call simply returned, a little later than usual. The cookbook has {len(scene.commits())} commits. Was it
        a licence to go on? The agent tries the very same call again:"""
    )
    again = asyncio.ensure_future(agent.call_tool("git_commit", commit))
    second = await asyncio.to_thread(scene.interdict.wait_pending)
    assert second["id"] != approval["id"]
    stage.says(PERSON, f"interdict approvals deny {second['id']} --by {PERSON} --note 'once is enough'")
    code, output = await asyncio.to_thread(
        scene.person, "deny", second["id"], "--by", PERSON, "--note", "once is enough"
    )
    assert code == 0, output
    refused = await again
    assert refused.is_error
    stage.says("interdict", text_of(refused))
    assert len(scene.commits()) == 2
    stage.tell("One approval, one commit. That is the whole idea.")


def main() -> int:
    logging.disable(logging.CRITICAL)
    stage = Stage()
    print("Interdict decides, before it happens, whether an agent may act. One story, three verdicts,\nwhat flows through calls, and proof of it all.\n")
    with running() as scene:
        try:
            asyncio.run(play(scene, stage))
        except BaseException:
            print(
                f"\nThe demo stumbled. The logs say:\n{scene.envoy.tail()}\n{scene.interdict.tail()}", file=sys.stderr
            )
            raise
    print("\nEverything that ran has stopped. `make up` starts the same set-up for your own MCP client.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
