"""`make up`: the demo's set-up, kept running for your own MCP client until Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import threading

from scene import TOKEN_SECONDS, Scene, running

GUIDE = """
Interdict is running. Put this into your MCP client's configuration:

{client}

What your agent will meet (demo/policy):
  git_log, git_status, git_diff..., git_add   allowed
  git_reset                                   denied
  git_commit                                  waits for you
  anything else of the cookbook               denied
  place_order                                 card numbers are replaced, keys and tokens denied
  list_orders                                 five rows

The repository is {cookbook} (its path is the argument `repo_path`).

Answer what waits, in another terminal:
  export INTERDICT_ADMIN_URL={admin} INTERDICT_ADMIN_TOKEN_FILE={token_file}
  {binary} approvals list --state pending
  {binary} approvals approve <id> --by <your name>

What the grocer says about its tools, and what changed (at `make up` nothing does):
  {binary} pins list

Every decision is on record:
  cd {folder}
  {binary} audit tail --follow
  {binary} audit show <decision id>

The token is good for {hours} hours. Logs: {logs}
Ctrl-C ends everything and removes it.
"""


def guide(scene: Scene) -> str:
    from support import paths

    def entry(url: str, token: str) -> dict[str, object]:
        return {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}}

    entries = {
        "cookbook": entry(scene.url, scene.token),
        "grocer": entry(scene.grocer_url, scene.grocer_token),
    }
    return GUIDE.format(
        client=json.dumps({"mcpServers": entries}, indent=2),
        cookbook=scene.cookbook,
        admin=scene.admin_url,
        token_file=scene.interdict.folder / "admin.token",
        binary=paths.interdict_binary(),
        folder=scene.interdict.folder,
        hours=TOKEN_SECONDS // 3600,
        logs=scene.interdict.folder.parent,
    )


def main() -> int:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with running(token_seconds=TOKEN_SECONDS - 60) as scene:
        print(guide(scene), flush=True)
        while not ended.wait(0.5):
            pass
    print("\nStopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
