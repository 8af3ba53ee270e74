"""What one task learns the next one knows: two tasks on a sample repository, and a fact edited while the second runs."""

import asyncio
import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from vgproject.cli.client import Client
from vgproject.cli.demo import load_sample_config, make_sample
from vgproject.cli.live import ENDS, create_view
from vgproject.cli.tasks import open_server

FIRST = "How does the shopping cart take off a discount?"
SECOND = "How is a discount of the shopping cart rounded?"
EDITED = "A discount in cart.py is rounded half up to a cent, as the law wants it."


def run_memory_demo() -> int:
    """0 only if the log and the recorded turns prove what is shown."""
    with tempfile.TemporaryDirectory(prefix="vgproject-demo-") as directory:
        return asyncio.run(_demo(Path(directory)))


async def _demo(directory: Path) -> int:
    project = directory / "shop"
    await make_sample(project)
    script = files("vgproject.cli.sample") / "memory_script.json"
    loaded = await load_sample_config(
        {"home": directory / "home", "project": project, "model": f"scripted:{script}", "approvals": "never"}
    )
    async with open_server(loaded, None) as address:
        client = Client(address)
        print(f"\nThe first task, of a project that nothing is known of: {FIRST}\n")
        first = await _run(client, FIRST)
        print(f"\nThe second task, in a session of its own: {SECOND}\n")
        second = await _run(client, SECOND, edit=first)
        return _report(first, second)


class Ran:
    """A task that was run: its events, and its model calls as they are recorded."""

    def __init__(self, frames: list[dict[str, Any]], turns: list[dict[str, Any]]) -> None:
        self.frames = frames
        self.turns = turns

    def data(self, kind: str) -> list[dict[str, Any]]:
        return [frame["data"] for frame in self.frames if frame["type"] == kind]

    @property
    def learnt(self) -> set[str]:
        """Ids of entries that are new in the project's memory."""
        return {memory_id for merged in self.data("memory_merged") for memory_id in merged["added"]}


async def _run(client: Client, content: str, *, edit: Ran | None = None) -> Ran:
    """With ``edit``, what that task learnt of discounts is edited while this one waits for an answer."""
    session_id = (await client.send(type="create_session", title=content))["session_id"]
    await client.send(type="task", session_id=session_id, content=content, research_only=True)
    view, frames = create_view(as_json=False), []
    async for frame in client.follow(session_id, after=0):
        view.show(frame)
        if "seq" in frame:
            frames.append(frame)
        if frame["type"] == "question_asked":
            assert edit is not None
            await _edit_fact(client, edit)
            question_id = frame["data"]["question_id"]
            await client.send(type="answer", session_id=session_id, question_id=question_id, content="Yes.")
        if frame["type"] in ENDS:
            break
    return Ran(frames, await client.request("GET", f"/v1/sessions/{session_id}/turns"))


async def _edit_fact(client: Client, first: Ran) -> None:
    for memory_id in first.learnt:
        entry = await client.request("GET", f"/v1/memory/{memory_id}")
        if "rounded" in entry["content"]:
            body = {"content": EDITED, "version": entry["version"]}
            await client.request("PATCH", f"/v1/memory/{memory_id}", json=body)
            print(f"\n(By hand, while the task waits: {entry['content']!r} is now {EDITED!r})\n")


def _report(first: Ran, second: Ran) -> int:
    recalled = {entry["memory_id"] for told in second.data("memory_recalled") for entry in told["entries"]}
    shown = {
        f"The second task was given what the first one learnt ({len(first.learnt & recalled)} entries)": bool(
            first.learnt & recalled
        ),
        f"It needed {len(second.turns)} turns instead of {len(first.turns)}": len(second.turns) < len(first.turns),
        "The turn after the edit was told the new text, and none before it": [
            EDITED in json.dumps(turn["request"]) for turn in second.turns
        ]
        == [False, True],
        "Both tasks came to their end": all(ran.frames[-1]["type"] == "task_completed" for ran in (first, second)),
    }
    for sentence, holds in shown.items():
        print(f"{'yes' if holds else 'NO '}  {sentence}")
    return 0 if all(shown.values()) else 1
