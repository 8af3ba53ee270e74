"""Several people in one session: they see the same, and who is here; they comment, take turns, and answer for themselves."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection

from house import House, bearer, code_of, open_house
from live_server import ENDS, frames, receive, send
from sample import TEST_COMMAND, call, script, write_script
from vgproject.repositories.database_url import DatabaseUrl

EVERYBODY_HERE: dict[str, str | None] = {"viewer": None, "editor": None, "approver": None}


async def follow(websocket: ClientConnection, session_id: str, **options: Any) -> None:
    await send(websocket, type="subscribe", session_id=session_id, **options)
    await receive(websocket, "subscribed")


async def told(websocket: ClientConnection, *people: tuple[str, str, int]) -> list[dict[str, Any]]:
    """Wait until it is told of exactly these people: user, status, connections."""
    async for frame in frames(websocket):
        if frame["type"] == "presence":
            here = [(person["user"], person["status"], person["connections"]) for person in frame["people"]]
            if here == list(people):
                return list(frame["people"])
    raise AssertionError("closed")


async def as_(house: House, by: str, session_id: str, **command: Any) -> Any:
    """The answer's data; the code of a refusal."""
    answer = await house.command(session_id, house.tokens.get(by), **command)
    return code_of(answer) or answer.json()


async def log(house: House, session_id: str, *types: str) -> list[dict[str, Any]]:
    page = (await house.owner.get(f"/v1/sessions/{session_id}/events", params={"limit": 5000})).json()
    return [event for event in page["events"] if not types or event["type"] in types]


async def test_who_follows_a_session_sees_who_else_does(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, AsyncExitStack() as stack:
        session_id = await house.session({"viewer": "viewer", "editor": None})
        opened = [await stack.enter_async_context(house.websocket(house.tokens[user])) for user in ["editor"] * 2]
        first, second = opened
        await send(first, type="hello", client="page")
        await follow(first, session_id)
        people = await told(first, ("editor", "watching", 1))
        assert people[0]["clients"] == ["page"]
        await follow(second, session_id, deltas="none")
        async with house.websocket(house.tokens["viewer"]) as viewer:
            await send(viewer, type="subscribe", session_id=session_id)
            subscribed, presence = (await receive(viewer, "presence"))[-2:]
            assert (subscribed["type"], [person["user"] for person in presence["people"]]) == (
                "subscribed",
                ["editor", "viewer"],
            )
            await send(viewer, type="set_presence", id="p", session_id=session_id, status="typing")
            await told(first, ("viewer", "typing", 1), ("editor", "watching", 2))
            await send(viewer, type="hello", id="h", client="phone")
            while (await told(first, ("viewer", "typing", 1), ("editor", "watching", 2)))[0]["clients"] != ["phone"]:
                pass
        await told(first, ("editor", "watching", 2))
        await send(second, type="unsubscribe", id="u", session_id=session_id)
        assert (await receive(second, "ack", "presence"))[-1]["type"] == "ack"
        await told(first, ("editor", "watching", 1))
        await send(second, type="set_presence", id="p", session_id=session_id, status="away")
        assert (await receive(second, "error"))[-1]["data"]["code"] == "not_subscribed"
        await house.command(session_id, type="remove_member", user="editor")
        assert (await receive(first, "error"))[-1]["data"]["code"] == "forbidden"
        async with house.websocket(house.tokens["owner"]) as owner:
            await follow(owner, session_id)
            await told(owner, ("owner", "watching", 1))


async def test_two_people_and_a_reader_of_the_stream_see_the_same_events_in_the_same_order(tmp_path: Path) -> None:
    count = 15
    async with open_house(tmp_path) as house:
        session_id = await house.session(EVERYBODY_HERE)
        path, tail = (
            f"/v1/sessions/{session_id}/events",
            {**bearer(house.tokens["viewer"]), "Accept": "text/event-stream"},
        )
        async with (
            house.websocket(house.tokens["editor"]) as editor,
            house.websocket(house.tokens["approver"]) as approver,
            house.owner.stream("GET", path, headers=tail) as stream,
        ):
            for websocket in (editor, approver):
                await follow(websocket, session_id)

            async def speak(websocket: ClientConnection) -> None:
                for number in range(count):
                    kinds = ({"type": "comment"}, {"type": "message", "delivery": "queue"})
                    await send(
                        websocket, id=f"c{number}", session_id=session_id, content=f"{number}", **kinds[number % 2]
                    )

            async def see(websocket: ClientConnection) -> list[tuple[int, str, str, Any]]:
                return [_fact(frame) async for frame in _until(frames(websocket), _is_last)]

            async def read() -> list[tuple[int, str, str, Any]]:
                lines = (json.loads(line[6:]) async for line in stream.aiter_lines() if line.startswith("data: "))
                return [_fact(frame) async for frame in _until(lines, _is_last)]

            async with asyncio.TaskGroup() as group:
                views = [group.create_task(view) for view in (see(editor), see(approver), read())]
                for speaking in [group.create_task(speak(websocket)) for websocket in (editor, approver)]:
                    await speaking
                while len(await log(house, session_id, "comment_added", "task_queued")) < 2 * count:
                    pass
                await house.command(session_id, type="comment", content="That is all.")
        [seen, also_seen, streamed] = [view.result() for view in views]
        stored = [_fact(event) for event in await log(house, session_id)]
    last = seen[-1][0]
    assert seen == also_seen == streamed[-len(seen) :] == stored[last - len(seen) : last]
    assert [fact[0] for fact in streamed] == list(range(1, last + 1))
    said = [(actor, content) for _, kind, actor, content in seen if kind in ("comment_added", "task_queued")]
    for user in ("editor", "approver"):
        assert [content for actor, content in said if actor == user] == [str(number) for number in range(count)]


async def _until(source: Any, is_last: Any) -> Any:
    async for frame in source:
        if "seq" in frame:
            yield frame
            if is_last(frame):
                return


def _is_last(frame: dict[str, Any]) -> bool:
    return bool(frame["data"].get("content") == "That is all.")


def _fact(frame: dict[str, Any]) -> tuple[int, str, str, Any]:
    return frame["seq"], frame["type"], frame["actor"]["id"], frame["data"].get("content")


async def test_comments_are_between_people_and_stay_after_a_rewind(tmp_path: Path) -> None:
    async with open_house(tmp_path, approvals="never") as house:
        session_id = await house.session(EVERYBODY_HERE)
        early = await as_(
            house, "editor", session_id, type="comment", id="c", content="Ask before you push: sk-ant-" + "a" * 90
        )
        again = await as_(
            house, "editor", session_id, type="comment", id="c", content="Ask before you push: sk-ant-" + "a" * 90
        )
        assert again == {**early, "duplicate": True}
        async with house.websocket(house.tokens["approver"]) as websocket:
            await follow(websocket, session_id)
            await as_(house, "editor", session_id, type="task", content="Mend it")
            await receive(websocket, *ENDS)
        [planned] = await log(house, session_id, "planning_complete")
        [made, *_] = await log(house, session_id, "checkpoint_created", "workspace_created")
        on_step = await as_(house, "editor", session_id, type="comment", content="Why so?", step_id="1")
        on_event = await as_(house, "approver", session_id, type="comment", content="Fine.", seq=planned["seq"])
        assert (await as_(house, "owner", session_id, type="rewind", to_seq=made["seq"]))["to_seq"] == made["seq"]
        assert await as_(house, "approver", session_id, type="resolve_comment", **on_step) == on_step
        refused = [
            await as_(house, "editor", session_id, type="resolve_comment", **on_step),
            await as_(house, "editor", session_id, type="resolve_comment", comment_id="com_none"),
            await as_(house, "editor", session_id, type="comment", content="x", step_id="none"),
            await as_(house, "editor", session_id, type="comment", content="x", seq=10_000),
            await as_(house, "editor", session_id, type="comment", content="x", seq=1, step_id="1"),
            await as_(house, "editor", session_id, type="comment", content="x" * 10_001),
            await as_(house, "viewer", session_id, type="comment", content="x"),
        ]
        assert refused == [
            "already_resolved",
            "no_such_comment",
            "no_such_step",
            "no_such_seq",
            "invalid_request",
            "invalid_request",
            "forbidden",
        ]
        comments = await log(house, session_id, "comment_added", "comment_resolved")
        turns = (await house.owner.get(f"/v1/sessions/{session_id}/turns")).text
    about = [(event["actor"]["id"], event["task_id"], event["data"]) for event in comments]
    task_id = planned["task_id"]
    assert about[1:] == [
        ("editor", task_id, {**on_step, "content": "Why so?", "seq": None, "step_id": "1"}),
        ("approver", None, {**on_event, "content": "Fine.", "seq": planned["seq"], "step_id": None}),
        ("approver", task_id, {**on_step, "resolved_by": "approver"}),
    ]
    assert "[masked:" in about[0][2]["content"]
    assert "Ask before you push" not in turns


async def test_while_somebody_holds_control_others_do_not_steer(tmp_path: Path, database_url: DatabaseUrl) -> None:
    options: dict[str, Any] = {"database_url": database_url.for_driver}
    async with open_house(tmp_path, **options) as house:
        session_id = await house.session({"viewer": None, "editor": "editor", "approver": "approver"})
        assert await as_(house, "editor", session_id, type="request_control", id="r") == {"holder": "editor"}
        assert await as_(house, "editor", session_id, type="request_control", id="r") == {
            "holder": "editor",
            "duplicate": True,
        }
        assert await as_(house, "approver", session_id, type="request_control") == {"holder": "editor"}
        refused = await house.command(session_id, house.tokens["approver"], type="cancel")
        assert (refused.status_code, refused.json()["details"]) == (409, {"holder": "editor"})
        assert "request_control" in refused.json()["detail"]
    async with open_house(tmp_path, **options) as house:
        steering: tuple[dict[str, Any], ...] = (
            {"type": "task", "content": "x"},
            {"type": "message", "content": "x"},
            {"type": "cancel"},
            {"type": "pause"},
            {"type": "resume"},
            {"type": "retry"},
            {"type": "rewind", "to_seq": 1},
            {"type": "update_settings", "settings": {"max_turns": 5}},
        )
        codes = {(await as_(house, "approver", session_id, **command)) for command in steering}
        assert codes == {"control_held"}
        path, headers = f"/v1/sessions/{session_id}", bearer(house.tokens["approver"])
        by_route = [
            await house.owner.patch(path, json={"max_turns": 5}, headers=headers),
            await house.owner.post(f"{path}/tasks", json={"content": "x"}, headers=headers),
        ]
        assert {code_of(answer) for answer in by_route} == {"control_held"}
        others = [
            await as_(house, "approver", session_id, type="resolve_approval", approval_id="a", decision="deny"),
            await as_(house, "approver", session_id, type="release_control"),
            await as_(house, "approver", session_id, type="hand_over", user="approver"),
            await as_(house, "editor", session_id, type="cancel"),
            await as_(house, "owner", session_id, type="cancel"),
            await as_(house, "editor", session_id, type="request_control"),
            await as_(house, "editor", session_id, type="hand_over", user="editor"),
            await as_(house, "editor", session_id, type="hand_over", user="stranger"),
        ]
        expected = ["no_such_approval", "control_held", "control_held", "no_open_task", "no_open_task"]
        assert others == [*expected, "control_held", "control_held", "not_a_member"]
        assert (await house.owner.get(path)).json()["holder"] == "editor"
        assert await as_(house, "editor", session_id, type="hand_over", user="approver") == {"holder": "approver"}
        assert await as_(house, "editor", session_id, type="cancel") == "control_held"
        assert await as_(house, "approver", session_id, type="cancel") == "no_open_task"
        assert await as_(house, "owner", session_id, type="hand_over", user="owner") == {"holder": "owner"}
        assert await as_(house, "owner", session_id, type="release_control") == {"holder": None}
        assert await as_(house, "owner", session_id, type="release_control") == "not_in_control"
        assert await as_(house, "editor", session_id, type="hand_over", user="editor") == "not_in_control"
        assert await as_(house, "editor", session_id, type="cancel") == "no_open_task"
        told = await log(house, session_id, "control_requested", "control_changed")
    assert [(event["actor"]["id"], event["data"]) for event in told] == [
        ("editor", {"holder": "editor"}),
        ("approver", {"user": "approver", "holder": "editor"}),
        ("editor", {"holder": "approver"}),
        ("owner", {"holder": "owner"}),
        ("owner", {"holder": None}),
    ]


async def test_control_ends_with_the_role_of_who_holds_it(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for user, change, holder in (
            ("editor", {"type": "set_role", "user": "editor", "role": "viewer"}, None),
            ("editor", {"type": "remove_member", "user": "editor"}, None),
            ("editor", {"type": "remove_member", "user": "approver"}, "editor"),
            ("editor", {"type": "set_role", "user": "editor", "role": "approver"}, "editor"),
            ("approver", {"type": "remove_member", "user": "*"}, "approver"),
        ):
            session_id = await house.session({"editor": "editor", "approver": "approver", "*": "viewer"})
            await as_(house, user, session_id, type="request_control")
            await as_(house, "owner", session_id, id="m", **change)
            view = (await house.owner.get(f"/v1/sessions/{session_id}")).json()
            assert (change, view["holder"]) == (change, holder)
            ends = [event["data"]["holder"] for event in await log(house, session_id, "control_changed")]
            assert ends == ([user, None] if holder is None else [user])


async def test_only_one_of_many_who_ask_at_once_gets_control_and_nobody_else_steers_after_it(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session({"editor": "editor", "approver": "approver"})
        commands = [{"type": "request_control"}, *[{"type": "message", "content": "x", "delivery": "queue"}] * 4]
        await asyncio.gather(
            *(as_(house, user, session_id, **command) for command in commands for user in ("editor", "approver"))
        )
        events = await log(house, session_id)
        [changed] = [event for event in events if event["type"] == "control_changed"]
        later = {
            event["actor"]["id"] for event in events if event["seq"] > changed["seq"] and event["type"] == "task_queued"
        }
        assert later <= {changed["data"]["holder"]}
        [asked] = [event["data"] for event in events if event["type"] == "control_requested"]
        assert {asked["user"], asked["holder"]} == {"editor", "approver"}


async def test_whatever_a_person_does_bears_this_person(tmp_path: Path) -> None:
    asks = [{"tool_calls": [call("ask_user", question="Which?")]}, *script()["phases"]["implementation"]]
    model = write_script(tmp_path / "model", script(implementation=asks))
    async with open_house(tmp_path, model=model, approvals="always", plan_gate=True) as house:
        session_id = await house.session({"editor": "editor", "approver": "approver"})
        async with house.websocket(house.tokens["approver"]) as websocket:
            await follow(websocket, session_id)
            await as_(house, "editor", session_id, type="task", content="Mend it")
            plan = (await receive(websocket, "plan_proposed"))[-1]["data"]
            approve = {"approval_id": plan["approval_id"], "decision": "approve"}
            assert (await as_(house, "approver", session_id, type="resolve_plan", **approve))["decision"] == "approve"
            question = (await receive(websocket, "question_asked"))[-1]["data"]
            await as_(house, "editor", session_id, type="answer", question_id=question["question_id"], content="This.")
            await as_(house, "editor", session_id, type="message", content="Mind the gap")
            await as_(house, "approver", session_id, type="update_settings", settings={"max_turns": 50})
            asked = (await receive(websocket, "approval_requested"))[-1]["data"]
            answer = {"type": "resolve_approval", "approval_id": asked["approval_id"]}
            await as_(house, "approver", session_id, decision="approve", **answer)
            second = (await house.command(session_id, decision="deny", **answer)).json()
            await as_(house, "editor", session_id, type="cancel")
            await receive(websocket, *ENDS)
        added = await as_(house, "editor", session_id, type="remember", content="Water is wet.")
        edit = {"type": "update_memory", "version": 1, "content": "Water is very wet."}
        await as_(house, "approver", session_id, memory_id=added["memory_id"], **edit)
        events = [event for event in await log(house, session_id) if event["actor"]["kind"] == "user"]
        history = (await house.owner.get(f"/v1/memory/{added['memory_id']}/history")).json()
    by = {event["type"]: event["actor"]["id"] for event in events if event["actor"]["id"] != "owner"}
    assert by == {
        "task_queued": "editor",
        "plan_resolved": "approver",
        "question_answered": "editor",
        "user_message": "editor",
        "settings_updated": "approver",
        "approval_resolved": "approver",
        "task_cancel_requested": "editor",
    }
    [resolved] = [event for event in events if event["type"] == "approval_resolved"]
    details = {"decision": "approve", "resolved_by": "approver", "resolved_at": resolved["time"]}
    assert (second["code"], second["details"]) == ("already_resolved", details)
    assert [change["actor"] for change in history] == [{"kind": "user", "id": user} for user in ("editor", "approver")]


async def test_what_is_withdrawn_is_asked_again_and_no_approval_goes_to_a_fork(tmp_path: Path) -> None:
    steps = script()["phases"]["implementation"]
    runs = [{"tool_calls": [call("run_command", command=TEST_COMMAND)]}, steps[-1]]
    model = write_script(tmp_path / "model", script(implementation=runs))
    async with open_house(tmp_path, model=model, approvals="untrusted") as house:
        session_id = await house.session({"editor": "editor", "approver": "approver"})
        async with house.websocket(house.tokens["owner"]) as websocket:
            await follow(websocket, session_id)
            await as_(house, "editor", session_id, type="task", content="Mend it")
            asked = (await receive(websocket, "approval_requested"))[-1]["data"]["approval_id"]
            for_session = {"type": "resolve_approval", "approval_id": asked, "decision": "approve_for_session"}
            await as_(house, "approver", session_id, **for_session)
            await receive(websocket, *ENDS)
            await as_(house, "editor", session_id, type="task", content="Again")
            assert (await receive(websocket, "approval_requested", *ENDS))[-1]["type"] == "task_completed"
            fork = (await house.owner.post(f"/v1/sessions/{session_id}/fork")).json()["session_id"]
            revoked = await as_(house, "approver", session_id, type="revoke_approvals")
            assert revoked == {"user": "approver", "approvals": [f"run_command: {TEST_COMMAND}"]}
            refused = await as_(house, "approver", session_id, type="revoke_approvals", user="owner")
            nothing = await as_(house, "owner", session_id, type="revoke_approvals", user="approver")
            assert (refused, nothing["approvals"]) == ("forbidden", [])
            await follow(websocket, fork)
            for place, user in ((session_id, "editor"), (fork, "owner")):
                await as_(house, user, place, type="task", content="Once more")
                last = (await receive(websocket, "approval_requested", *ENDS))[-1]
                assert (last["session_id"], last["type"]) == (place, "approval_requested")
                await as_(house, user, place, type="cancel")
                await receive(websocket, *ENDS)
