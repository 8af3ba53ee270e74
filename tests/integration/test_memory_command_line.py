"""``vgproject memory``, in this process, against a server on a real socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from live_server import TOKEN, running_server
from ra_aid_database import write_sample
from vgproject.main import app


class Terminal:
    def __init__(self, tmp_path: Path, url: str) -> None:
        self._environment = {
            "VGPROJECT_SERVER": url,
            "VGPROJECT_TOKEN": TOKEN,
            "VGPROJECT_HOME": str(tmp_path / "none"),
            "VGPROJECT_PROJECT": str(tmp_path / "project"),
            "COLUMNS": "200",
        }

    async def run(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["memory", *words], env=self._environment)

    async def ask(self, *words: str) -> Any:
        done = await self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


async def test_memory_is_kept_edited_undone_and_settled_by_hand(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url:
        terminal = Terminal(tmp_path, url)
        added = await terminal.ask("add", "The server listens on port 80.", "--tag", "net", "--confidence", "certain")
        entry = added["memory_id"]
        mine = await terminal.ask("add", "I like short answers.", "--scope", "user")
        edited = await terminal.ask("edit", entry, "--kind", "decision", "--tag", "http", "--version", "1")
        stale = await terminal.run("edit", entry, "Port 81.", "--version", "1")
        nothing = await terminal.run("edit", entry)
        forgotten = await terminal.ask("forget", entry, "--reason", "Too old")
        gone = await terminal.ask("list")
        found = await terminal.ask("list", "--status", "forgotten", "--kind", "decision", "--tag", "http")
        restored = await terminal.ask("restore", entry, "--to-version", "1")
        other = await terminal.ask("add", "The server listens on port 8080.")
        [conflict] = await terminal.ask("conflicts")
        shown = (await terminal.run("conflicts")).stdout
        words = ["conflicts", "--settle", conflict["conflict_id"], "rewrite", "--content", "Any port will do."]
        settled = await terminal.ask(*words)
        again = await terminal.run(*words)
        history = await terminal.ask("history", entry)
        table = (await terminal.run("history", entry)).stdout
        page = (await terminal.run("show", other["memory_id"])).stdout
        searched = await terminal.ask("search", "ports", "--limit", "1")
        own = await terminal.ask("list", "--scope", "user")
        limited = await terminal.ask("list", "--status", "active", "--status", "superseded", "--limit", "1")
        unknown = await terminal.run("list", "--kind", "nonsense")
        line = (await terminal.run("list")).stdout

    assert (added["tags"], added["confidence"], edited["kind"], edited["tags"]) == (
        ["net"],
        "certain",
        "decision",
        ["http"],
    )
    assert (stale.exit_code, stale.stdout) == (1, "")
    assert "at version 2, not 1" in stale.stderr
    assert "v2  updated by owner" in stale.stderr
    assert (nothing.exit_code, "must be given" in nothing.stderr) == (2, True)
    assert (forgotten["status"], gone, [one["memory_id"] for one in found]) == ("forgotten", [], [entry])
    assert (restored["kind"], restored["tags"], restored["status"]) == ("key_fact", ["net"], "active")
    assert (conflict["conflict_id"] in shown, "8080" in shown) == (True, True)
    assert (settled["settlement"], again.exit_code, "settled already" in again.stderr) == ("rewrite", 1, True)
    assert [change["change"] for change in history] == [
        *["added", "updated", "forgotten", "restored"],
        *["conflicting", "superseded"],
    ]
    assert ("Too old" in table.replace("\n", " "), "superseded" in table) == (True, True)
    assert ("Any port will do." in page, "confidence" in page) == (True, True)
    assert [one["content"] for one in searched] == ["Any port will do."]
    assert [one["memory_id"] for one in own] == [mine["memory_id"]]
    assert [one["memory_id"] for one in limited] == [entry]
    assert (unknown.exit_code, "key_snippet" in unknown.stderr) == (2, True)
    assert (other["memory_id"] in line, mine["memory_id"] in line) == (True, False)


async def test_memory_goes_out_as_files_and_comes_in_again(tmp_path: Path) -> None:
    write_sample(tmp_path / "pk.db")
    async with running_server(tmp_path) as url:
        terminal = Terminal(tmp_path, url)
        first = await terminal.ask("import", str(tmp_path / "pk.db"))
        again = await terminal.ask("import", str(tmp_path / "pk.db"))
        await terminal.run("export", str(tmp_path / "known"))
        await terminal.run("export", str(tmp_path / "known.json"))
        entries = await terminal.ask("list")
        for entry in entries:
            await terminal.ask("forget", entry["memory_id"])
        broken = tmp_path / "known" / "key_facts" / "broken.md"
        broken.write_text("no fields")
        refused = await terminal.run("import", str(tmp_path / "known"))
        nothing = await terminal.ask("list")
        broken.unlink()
        back = await terminal.ask("import", str(tmp_path / "known"))
        same = await terminal.ask("import", str(tmp_path / "known.json"))
        returned = await terminal.ask("list")

    assert (len(first["added"]), again["added"], len(again["merged"])) == (4, [], 4)
    assert (refused.exit_code, nothing) == (2, []), refused.output
    assert "broken.md" in refused.output
    assert (len(back["added"]), len(same["merged"])) == (4, 4)
    compared = ("kind", "content", "tags", "place", "created_at")
    wanted = [[entry[name] for name in compared] for entry in entries]
    assert sorted(str([entry[name] for name in compared]) for entry in returned) == sorted(map(str, wanted))


async def test_what_is_of_no_use_is_shown_forgotten_and_known_again(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url:
        terminal = Terminal(tmp_path, url)
        await terminal.ask("add", "src/gone.py", "--kind", "related_file")
        await terminal.ask("add", "calc.py", "--kind", "related_file")
        shown = await terminal.ask("clean-up")
        table = (await terminal.run("clean-up")).stdout
        done = await terminal.ask("clean-up", "--forget", "stale")
        left = await terminal.ask("list")
        undone = await terminal.ask("clean-up", "--undo", done["clean_up_id"])
        unknown = await terminal.run("clean-up", "--undo", "cln_1")
        back = await terminal.ask("list")

    assert [(proposal["reason"], proposal["entry"]["content"]) for proposal in shown] == [("stale", "src/gone.py")]
    assert "Its file is not in the project any more." in table
    assert [entry["content"] for entry in left] == ["calc.py"]
    assert (undone, unknown.exit_code, len(back)) == (done["forgotten"], 1, 2)
