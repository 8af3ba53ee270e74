"""Sessions, their tasks, events and changes over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel

from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.schema import commands as c
from vgproject.schema.frames import SessionView
from vgproject.schema.settings import SessionSettings

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class NewSession(BaseModel):
    project: str | None = None
    title: str | None = None
    settings: SessionSettings = SessionSettings()


class NewTask(BaseModel):
    content: str
    research_only: bool = False
    plan_only: bool = False
    pipeline: str | None = None
    model: str | None = None
    settings: SessionSettings = SessionSettings()


@router.post("", status_code=201)
async def create_session(body: NewSession, services: ServicesDep, caller: CallerDep) -> SessionView:
    command = c.CreateSession(**dict(body))
    answer = await services.sessions.execute(command, caller)
    return await services.sessions.get_session(answer["session_id"], caller)


@router.get("")
async def list_sessions(services: ServicesDep, caller: CallerDep) -> list[SessionView]:
    return await services.sessions.list_sessions(caller)


@router.get("/{session_id}")
async def get_session(session_id: str, services: ServicesDep, caller: CallerDep) -> SessionView:
    return await services.sessions.get_session(session_id, caller)


@router.patch("/{session_id}")
async def update_session(
    session_id: str, settings: SessionSettings, services: ServicesDep, caller: CallerDep
) -> SessionView:
    await services.sessions.execute(c.UpdateSettings(session_id=session_id, settings=settings), caller)
    return await services.sessions.get_session(session_id, caller)


@router.delete("/{session_id}", status_code=204)
async def delete_session(session_id: str, services: ServicesDep, caller: CallerDep) -> None:
    await services.sessions.delete_session(session_id, caller)


@router.post("/{session_id}/tasks", status_code=202)
async def create_task(session_id: str, body: NewTask, services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    return await services.sessions.execute(c.TaskCommand(session_id=session_id, **dict(body)), caller)


@router.post("/{session_id}/commands")
async def execute_command(
    session_id: str, command: c.AnyCommand, services: ServicesDep, caller: CallerDep
) -> dict[str, Any]:
    command = command.model_copy(update={"session_id": session_id})
    scope = f"{caller.user_id}//{session_id}/{command.id}/{command.model_dump_json()}" if command.id else ""
    return await services.sessions.execute(command, caller, scope=scope)


@router.get("/{session_id}/events", response_model=None)
async def read_events(
    request: Request,
    session_id: str,
    services: ServicesDep,
    caller: CallerDep,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """A page of the log, or its tail where ``Accept`` is ``text/event-stream``."""
    view = await services.sessions.get_session(session_id, caller)
    if "text/event-stream" in accept:
        start = after if last_event_id is None else last_event_id
        return StreamingResponse(_tail(request, services, session_id, start), media_type="text/event-stream")
    events = await services.event_log.read(session_id, after=after, limit=limit)
    payload = b",".join(event.payload for event in events)
    head = orjson.dumps({"head_seq": view.head_seq, "epoch": view.epoch})
    return Response(b'{"events":[' + payload + b"]," + head[1:], media_type="application/json")


async def _tail(request: Request, services: ServicesDep, session_id: str, after: int) -> AsyncIterator[bytes]:
    async for events in services.event_log.follow(session_id, after=after):
        for event in events:
            yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), event.payload)
        if await request.is_disconnected():
            return


@router.get("/{session_id}/diff")
async def read_diff(session_id: str, services: ServicesDep, caller: CallerDep) -> PlainTextResponse:
    return PlainTextResponse(await services.sessions.diff(session_id, caller))


@router.post("/{session_id}/apply")
async def apply_changes(session_id: str, services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    changes = await services.sessions.apply(session_id, caller)
    return {"files": [change.model_dump() for change in changes]}
