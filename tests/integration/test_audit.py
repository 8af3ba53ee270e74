"""The audit trail of a real server: what leaves a record, what it has, and that a tampered one is found."""

import asyncio
import csv
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from house import House, ask, bearer, commands_for, open_house
from live_server import TOKEN, receive, send
from vgproject.access.permissions import COMMANDS, ROLES, ROUTES
from vgproject.main import app
from vgproject.utils.hash_chain import ChainCheck

READ_ONLY = {"hello", "ping", "subscribe", "unsubscribe", "subscribe_memory", "unsubscribe_memory", "set_presence"}
"""The exceptions: commands that change nothing that is kept. A `hello` with a token is a sign-in."""
COMMANDS_OF_ROUTES = {
    "POST /v1/sessions": "create_session",
    "PATCH /v1/sessions/{session_id}": "update_settings",
    "POST /v1/sessions/{session_id}/tasks": "task",
    "POST /v1/sessions/{session_id}/commands": "task",
    "POST /v1/memory": "remember",
    "POST /v1/memory/conflicts/{conflict_id}": "settle_memory",
    "POST /v1/memory/{memory_id}/restore": "restore_memory",
    "PATCH /v1/memory/{memory_id}": "update_memory",
    "DELETE /v1/memory/{memory_id}": "forget",
}
Record = dict[str, Any]
ROOT = Path(__file__).parents[2]


async def records_of(house: House) -> list[Record]:
    """Once the outcome of all that was begun is among them."""
    while True:
        records = (await house.owner.get("/v1/audit", params={"limit": 1000})).json()["records"]
        if {one["audit_seq"] for one in records if one["outcome"] == "begun"} <= {one["begun"] for one in records}:
            return list(records)


def told(records: list[Record], client: str) -> list[tuple[Any, ...]]:
    """What the records of a client say, but for its sign-in."""
    return [
        (one["action"], one["outcome"], one["user"], one["address"], one["digest"] is None)
        for one in records
        if one["client"] == client and one["action"] != "sign_in"
    ]


async def test_every_route_that_changes_something_leaves_a_record_of_its_begin_and_its_end(tmp_path: Path) -> None:
    writes = {
        f"{method} {path}": need.place
        for (method, path), need in ROUTES.items()
        if method != "GET"
        and need.place != "open"  # `POST /sign-in` is told of as a sign-in; `/sign-out` changes nothing here.
    }
    expected, refusals = {}, {}
    async with open_house(tmp_path) as house:
        for route, place in writes.items():
            action, who = COMMANDS_OF_ROUTES.get(route, route), {"User-Agent": route}
            session_id = await house.session({"viewer": None})
            await ask(house, route, session_id, **bearer(house.tokens["viewer"]), **who)
            refused = action if place == "inner" or route.endswith("/commands") else route
            refusals[route] = [(refused, "refused", "viewer", "127.0.0.1", True)]
            answer = await ask(house, route, session_id, **bearer(house.tokens["owner"]), **who)
            outcome = "ok" if answer.is_success else "failed"
            expected[route] = [(action, end, "owner", "127.0.0.1", False) for end in ("begun", outcome)]
        records = await records_of(house)
    assert {route: told(records, route) for route in writes} == {
        route: [*refusals[route], *expected[route]] for route in writes
    }


async def test_every_command_that_changes_something_leaves_a_record_by_websocket(tmp_path: Path) -> None:
    expected: dict[str, list[tuple[Any, ...]]] = {}
    async with open_house(tmp_path) as house:
        session_id = await house.session(dict.fromkeys(ROLES))
        for role in ("viewer", "owner"):
            async with house.websocket(house.tokens[role]) as websocket:
                for command in commands_for(session_id):
                    name = command["type"]
                    await send(websocket, type="hello", id="h", client=name)
                    await receive(websocket, "ack")
                    if name in READ_ONLY:
                        expected[name] = []
                        continue
                    await send(websocket, **{**command, "id": "c"})
                    while (answer := (await receive(websocket, "ack", "error"))[-1]).get("id") != "c":
                        pass
                    expected.setdefault(name, [])
                    if role == "viewer":
                        expected[name].append((name, "refused", role, "127.0.0.1", True))
                    else:
                        end = "ok" if answer["type"] == "ack" else "failed"
                        expected[name] += [(name, one, role, "127.0.0.1", False) for one in ("begun", end)]
        records = await records_of(house)
    assert set(expected) == set(COMMANDS)
    assert {name: told(records, name) for name in expected} == expected


async def test_members_tokens_and_sign_ins_are_told_with_names_and_never_with_what_was_said(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session({"ada": "approver"})
        await house.command(session_id, id="m", type="remember", content="The launch code is 0451.")
        await house.command(session_id, id="m", type="remember", content="The launch code is 0451.")
        made = await house.token(user="ada", role="viewer")
        code = house.server.authenticator.new_code() if house.server.authenticator else ""
        assert (await house.owner.get("/sign-in", params={"code": code})).status_code == 303
        [fork] = [(await house.owner.post(f"/v1/sessions/{session_id}/fork")).json()["session_id"]]
        for _ in range(5):
            assert (await house.owner.get("/v1/sessions", headers=bearer("vgp_wrong"))).status_code == 401
        async with httpx.AsyncClient(base_url=house.url) as stranger:
            assert (await stranger.post("/v1/tokens", json={})).status_code == 401
        for role in ("viewer", "editor", "approver"):
            refused = await house.owner.get("/v1/audit", headers=bearer(house.tokens[role]))
            assert refused.json()["code"] == "forbidden"
        records = await records_of(house)
        house.server.authenticator.close()  # type: ignore[union-attr]
        while (sums := await records_of(house))[-1]["action"] != "authenticate":
            pass
    abouts = {(one["action"], one["outcome"]): one["about"] for one in records if one["user"] == "owner"}
    assert abouts["add_member", "ok"] == {"user": "ada", "role": "approver"}
    assert abouts["POST /v1/tokens", "ok"] == {"token_id": made["token_id"], "user": "ada", "role": "viewer"}
    assert abouts["POST /v1/sessions/{session_id}/fork", "ok"] == {"session_id": fork}
    assert [one["outcome"] for one in records if one["action"] == "remember"] == ["begun", "ok"]
    assert [one["about"]["by"] for one in records if one["action"] == "sign_in" and one["user"] == "owner"] == [
        *("owner_token", "code")
    ]
    assert [(one["user"], one["code"]) for one in records if one["action"] == "GET /v1/audit"] == [
        (role, "forbidden") for role in ("viewer", "editor", "approver")
    ]
    strangers = [(one["address"], one["code"], one["count"]) for one in sums if one["action"] == "authenticate"]
    assert strangers == [("127.0.0.1", "unauthenticated", count) for count in (1, 5)]
    assert set(records[0]["about"]) == {"version", "configuration"}
    text = json.dumps(sums)
    assert [secret for secret in ("launch", made["token"], TOKEN, code, "vgp_wrong") if secret in text] == []


class Terminal:
    def __init__(self, tmp_path: Path, url: str) -> None:
        self._environment = {"VGPROJECT_SERVER": url, "VGPROJECT_TOKEN": TOKEN, "VGPROJECT_HOME": str(tmp_path / "no")}

    async def run(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *words], env=self._environment)


async def test_the_trail_goes_out_as_a_file_and_is_verified_there_and_on_the_server(tmp_path: Path) -> None:
    whole, part, table = tmp_path / "audit.jsonl", tmp_path / "part.jsonl", tmp_path / "audit.csv"
    database = tmp_path / "home" / "vgproject.db"
    async with open_house(tmp_path) as house:
        await house.session({"=HYPERLINK(1)": "viewer"})
        terminal = Terminal(tmp_path, house.url)
        exported = await terminal.run("export", "--output", str(whole))
        right = [
            await terminal.run("verify"),
            await terminal.run("verify", str(whole)),
            await terminal.run("verify", "--database-url", f"sqlite:///{database}"),
        ]
        seq, head = len(whole.read_text().splitlines()), json.loads(whole.read_text().splitlines()[-1])["hash"]
        assert f"Records 1 to {seq}. The last one's hash is {head}." in exported.stderr
        await terminal.run("export", "--after", "3", "--output", str(part))
        right += [
            await terminal.run("verify", "--head", head, "--seq", str(seq)),
            await terminal.run("verify", str(part), "--after", "3"),
        ]
        since = json.loads(whole.read_text().splitlines()[0])["time"][:10]
        lines = (await terminal.run("export", "--since", since)).stdout.splitlines()
        await terminal.run("export", "--format", "csv", "--output", str(table))
        bad = [await terminal.run("verify", str(part)), await terminal.run("verify", "--seq", "3")]
    assert [done.output for done in right if done.exit_code] == []
    assert _verified_by_the_documentation(whole) == f"{seq} records, the last one's hash is {head}.\n"
    assert lines[:seq] == whole.read_text().splitlines()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["audit_seq"] for row in rows[:3]] == ["1", "2", "3"]
    assert [(done.exit_code, "Record 1 is missing" in done.stderr) for done in bad] == [(1, True), (2, False)]


def _verified_by_the_documentation(path: Path) -> str:
    """By the program of docs/audit.md, which knows nothing of ours."""
    [program] = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "audit.md").read_text(), re.MULTILINE | re.DOTALL)
    return subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True).stdout


async def test_whoever_tampers_with_the_database_is_found_also_at_its_end(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.session()
        records = await records_of(house)
    database, last = tmp_path / "home" / "vgproject.db", len(records)
    terminal = Terminal(tmp_path, "")
    words = ("verify", "--database-url", f"sqlite:///{database}")
    assert (await terminal.run(*words)).exit_code == 0
    with sqlite3.connect(database) as connection:
        kept = connection.execute("SELECT audit_seq, hash FROM audit_head").fetchone()
        connection.execute("UPDATE audit_records SET user = 'eve' WHERE audit_seq = 4")
    changed = await terminal.run(*words)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM audit_records WHERE audit_seq >= 4")
    cut = await terminal.run(*words)
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE audit_head SET audit_seq = 3, hash = (SELECT hash FROM audit_records WHERE audit_seq = 3)"
        )
    hidden = await terminal.run(*words)
    known = await terminal.run(*words, "--seq", str(kept[0]), "--head", kept[1])
    assert last > 4
    assert (changed.exit_code, "Record 4 has been changed" in changed.stderr) == (1, True)
    assert (cut.exit_code, "Record 4 is missing" in cut.stderr) == (1, True)
    assert hidden.exit_code == 0  # Whoever writes all of the database is found only by a head that is kept elsewhere.
    assert (known.exit_code, f"Record {kept[0]} is missing" in known.stderr) == (1, True)


async def test_the_next_process_goes_on_with_the_chain(tmp_path: Path) -> None:
    chain, servers = ChainCheck("audit_seq"), []
    for _ in range(2):
        async with open_house(tmp_path) as house:
            records = await records_of(house)
    for record in records:
        chain.take(record)
        if record["action"] in ("server_started", "server_stopped"):
            servers.append((record["action"], record["server"]))
    first, second = servers[0][1], servers[2][1]
    assert servers == [("server_started", first), ("server_stopped", first), ("server_started", second)]
    assert first != second
