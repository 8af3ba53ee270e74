"""Members of a session: who sees it, what they may do in it, and what becomes of their connections."""

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from house import House, bearer, code_of, open_house
from live_server import HEADERS, receive, send
from vgproject.repositories.database_url import DatabaseUrl


async def follow(websocket: ClientConnection, session_id: str) -> None:
    await send(websocket, type="subscribe", session_id=session_id)
    await receive(websocket, "subscribed")


async def events(house: House, session_id: str, *types: str) -> list[tuple[str, dict[str, Any]]]:
    page = (await house.owner.get(f"/v1/sessions/{session_id}/events")).json()
    return [(event["actor"]["id"], event["data"]) for event in page["events"] if event["type"] in types]


async def test_members_are_added_changed_and_removed_and_the_log_tells_it(
    tmp_path: Path, database_url: DatabaseUrl
) -> None:
    async with open_house(tmp_path, database_url=database_url.for_driver) as house:
        mine = bearer(house.tokens["editor"])
        session_id = (await house.owner.post("/v1/sessions", json={}, headers=mine)).json()["session_id"]
        for command in (
            {"type": "add_member", "user": "approver"},
            {"type": "add_member", "user": "viewer", "role": "viewer"},
            {"type": "set_role", "user": "viewer", "role": None},
            {"type": "remove_member", "user": "viewer"},
        ):
            answer = await house.command(session_id, house.tokens["editor"], **command)
            assert answer.status_code == 200, answer.text
        view = (await house.owner.get(f"/v1/sessions/{session_id}", headers=mine)).json()
        assert view["members"] == [{"user": "approver", "role": None}, {"user": "editor", "role": "owner"}]
        assert await events(house, session_id, "member_joined", "role_changed", "member_left") == [
            ("editor", {"user": "approver", "role": None}),
            ("editor", {"user": "viewer", "role": "viewer"}),
            ("editor", {"user": "viewer", "role": None}),
            ("editor", {"user": "viewer"}),
        ]
        seen = [
            (await house.owner.get("/v1/sessions", headers=bearer(house.tokens[role]))).json()
            for role in ("approver", "viewer")
        ]
        assert [len(views) for views in seen] == [1, 0]
        refused = [
            await house.command(session_id, house.tokens["editor"], type="add_member", user="approver"),
            await house.command(session_id, house.tokens["editor"], type="remove_member", user="viewer"),
            await house.command(session_id, house.tokens["editor"], type="remove_member", user="editor"),
            await house.command(session_id, house.tokens["editor"], type="set_role", user="editor", role="viewer"),
            await house.command(session_id, house.tokens["approver"], type="remove_member", user="editor"),
        ]
        codes = ["already_member", "not_a_member", "last_owner", "last_owner", "forbidden"]
        assert [code_of(answer) for answer in refused] == codes


async def test_an_owner_leaves_once_there_is_another(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session({"approver": "owner", "viewer": "viewer"})
        for user in ("viewer", "owner"):
            by = house.tokens["viewer"] if user == "viewer" else None
            assert (await house.command(session_id, by, type="remove_member", user=user)).status_code == 200
        last = await house.command(session_id, house.tokens["approver"], type="remove_member", user="approver")
        assert code_of(last) == "last_owner"
        path = f"/v1/sessions/{session_id}"
        assert code_of(await house.owner.get(path, headers=bearer(house.tokens["viewer"]))) == "no_such_session"
        assert (await house.owner.delete(path, headers=bearer(house.tokens["approver"]))).status_code == 204


async def test_a_shared_session_is_for_everybody_as_far_as_their_tokens_allow(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session({"*": "editor"})
        path = f"/v1/sessions/{session_id}/commands"
        codes = {}
        for role in ("viewer", "editor", "approver"):
            headers = bearer(house.tokens[role])
            assert len((await house.owner.get("/v1/sessions", headers=headers)).json()) == 1
            for command in (
                {"type": "cancel"},
                {"type": "resolve_approval", "approval_id": "a", "decision": "deny"},
            ):
                codes[role, command["type"]] = code_of(await house.owner.post(path, json=command, headers=headers))
        assert codes == {
            ("viewer", "cancel"): "forbidden",
            ("viewer", "resolve_approval"): "forbidden",
            ("editor", "cancel"): "no_open_task",
            ("editor", "resolve_approval"): "forbidden",
            ("approver", "cancel"): "no_open_task",
            ("approver", "resolve_approval"): "forbidden",
        }
        assert code_of(await house.command(session_id, type="set_role", user="*", role="owner")) == "invalid_command"
        await house.command(session_id, type="remove_member", user="*")
        assert (await house.owner.get("/v1/sessions", headers=headers)).json() == []


async def test_a_member_who_is_removed_sees_no_event_more_and_is_closed_with_4403(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session({"viewer": "viewer", "editor": "editor"})
        tail = {**bearer(house.tokens["viewer"]), "Accept": "text/event-stream"}
        path = f"/v1/sessions/{session_id}/events"
        async with (
            house.websocket(house.tokens["viewer"]) as removed,
            house.websocket(house.tokens["editor"]) as other,
            house.owner.stream("GET", path, headers=tail) as stream,
        ):
            for websocket in (removed, other):
                await follow(websocket, session_id)
            await house.command(session_id, type="remove_member", user="viewer")
            await house.command(session_id, type="set_role", user="editor", role=None)
            received = await receive(removed, "error")
            assert received[-1]["data"]["code"] == "forbidden"
            assert received[-1]["data"]["details"] == {"session_id": session_id}
            assert "member_left" not in {frame["type"] for frame in received}
            await removed.wait_closed()
            assert removed.close_code == 4403
            assert (await receive(other, "role_changed"))[-1]["data"] == {"user": "editor", "role": None}
            streamed = [line async for line in stream.aiter_lines() if line.startswith("event: ")]
        assert streamed == ["event: session_created", "event: member_joined", "event: member_joined"]


async def test_who_is_removed_from_one_session_goes_on_with_another(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        first, second = [await house.session({"viewer": None}) for _ in range(2)]
        async with house.websocket(house.tokens["viewer"]) as websocket:
            for session_id in (first, second):
                await follow(websocket, session_id)
            await house.command(first, type="remove_member", user="viewer")
            assert (await receive(websocket, "error"))[-1]["data"]["details"] == {"session_id": first}
            await house.command(second, type="set_role", user="viewer", role="viewer")
            assert (await receive(websocket, "role_changed"))[-1]["session_id"] == second


@pytest.mark.parametrize(
    "settings", [{"approvals": "never"}, {"approvals": "on_request"}, {"plan_gate": False}], ids=json.dumps
)
async def test_only_who_answers_has_people_asked_less(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with open_house(tmp_path, approvals="untrusted", plan_gate=True) as house:
        session_id = await house.session({"editor": None, "approver": "approver"})
        path, task = f"/v1/sessions/{session_id}", {"content": "Mend it", "settings": settings}
        for role, code in (("editor", "forbidden"), ("approver", "")):
            headers = bearer(house.tokens[role])
            answers = [
                await house.owner.patch(path, json=settings, headers=headers),
                await house.owner.post("/v1/sessions", json={"settings": settings}, headers=headers),
                await house.owner.post(f"{path}/tasks", json={**task, "model": "no:one"}, headers=headers),
            ]
            assert [code_of(answer) for answer in answers] == [code, code, "bad_model_name"]
            asked = await house.owner.post(f"{path}/tasks", json=task, headers=bearer(house.tokens["editor"]))
            assert code_of(asked) == ("forbidden" if role == "editor" else "")


async def test_only_an_owner_begins_a_session_on_another_directory(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for project, code in ((tmp_path, "forbidden"), (tmp_path / "nowhere", "forbidden"), (tmp_path / "project", "")):
            body = {"project": str(project)}
            answer = await house.owner.post("/v1/sessions", json=body, headers=bearer(house.tokens["approver"]))
            assert code_of(answer) == code
        assert (await house.owner.post("/v1/sessions", json={"project": str(tmp_path)})).status_code == 201


async def test_the_same_command_id_of_another_user_is_another_command(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session({"editor": "editor"})
        command = {"type": "message", "id": "m", "content": "Mind the gap", "delivery": "queue"}
        first = (await house.command(session_id, house.tokens["editor"], **command)).json()
        assert (await house.command(session_id, house.tokens["editor"], **command)).json()["duplicate"] is True
        await house.command(session_id, type="remove_member", user="editor")
        again = await house.command(session_id, house.tokens["editor"], **command)
        assert code_of(again) == "no_such_session"
        other = (await house.owner.post(f"/v1/sessions/{session_id}/commands", json=command, headers=HEADERS)).json()
        assert other["task_id"] != first["task_id"]
