"""The whole server on a disk that fills up under it."""

from pathlib import Path
from typing import Any

import httpx

from live_server import ENDS, HEADERS, open_websocket, receive, running_server, send
from sample import script, write_script
from small_disk import small_disk

LARGE = "Make the failing test pass. " + "x" * 100_000


async def test_a_full_disk_refuses_what_it_cannot_store_and_all_goes_on_once_there_is_room(tmp_path: Path) -> None:
    slow = script()
    for reply in slow["phases"]["planning"]:
        reply |= {"text": "I think about it. " * 8, "token_delay_ms": 30}
    options = {"model": write_script(tmp_path, slow), "engine": {"mend_seconds": 0.1}}
    with small_disk(tmp_path / "home", megabytes=16) as disk:
        async with (
            running_server(tmp_path, **options) as url,
            open_websocket(url) as websocket,
            httpx.AsyncClient(base_url=url, headers=HEADERS) as client,
        ):
            await send(websocket, type="task", content="Make the failing test pass")
            log = await receive(websocket, "research_complete")
            session_id = log[1]["data"]["session_id"]

            disk.fill()
            accepted, refused = await give_tasks_until_refused(client, session_id)
            assert (refused["status"], refused["code"]) == (503, "disk_full")
            assert refused["detail"] == "The disk of the database is full: nothing was stored."
            await send(websocket, type="task", id="full", session_id=session_id, content=LARGE)
            answer = await answer_to(websocket, "full", log)
            assert (answer["type"], answer["data"]["code"]) == ("error", "disk_full")
            await send(websocket, type="task", id="new", content=LARGE)
            answer = await answer_to(websocket, "new", log)
            assert (answer["type"], answer["data"]["code"]) == ("error", "disk_full")
            assert [session["session_id"] for session in (await client.get("/v1/sessions")).json()] == [session_id]
            assert (await client.get("/livez")).status_code == 200
            readiness = await client.get("/readyz")
            assert (readiness.status_code, readiness.json()["failing"]) == (503, "database")

            disk.free()
            assert (await client.get("/readyz")).json() == {"status": "ready"}
            await send(websocket, type="task", id="full", session_id=session_id, content=LARGE)
            answer = await answer_to(websocket, "full", log)
            assert (answer["type"], answer["duplicate"]) == ("ack", False)
            accepted.append(answer["data"]["task_id"])
            while len([frame for frame in log if frame["type"] in ENDS]) <= len(accepted):
                log += await receive(websocket, *ENDS)
            stored = (await client.get(f"/v1/sessions/{session_id}")).json()

    events = [frame for frame in log if "seq" in frame]
    assert [event["seq"] for event in events] == list(range(1, stored["head_seq"] + 1))
    assert [event["task_id"] for event in events if event["type"] == "task_queued"][1:] == accepted
    first, *later = [task["status"] for task in stored["tasks"]]
    assert first in ("completed", "failed"), "what it did while the disk was full may have failed"
    assert later == ["completed"] * len(accepted)


async def give_tasks_until_refused(client: httpx.AsyncClient, session_id: str) -> tuple[list[str], dict[str, Any]]:
    """What space the files have inside is used up first. The tasks that were accepted, and the problem."""
    accepted: list[str] = []
    while True:
        answer = await client.post(f"/v1/sessions/{session_id}/tasks", json={"content": LARGE})
        if answer.status_code != 202:
            return accepted, answer.json()
        accepted.append(answer.json()["task_id"])


async def answer_to(websocket: Any, command_id: str, log: list[dict[str, Any]]) -> dict[str, Any]:
    while True:
        received = await receive(websocket, "ack", "error")
        log += received
        if received[-1].get("id") == command_id:
            return received[-1]
