"""Sessions, their tasks, events and changes over HTTP."""

from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from vgproject.access.permissions import SEE
from vgproject.errors import CommandError
from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.routes.event_stream import tail_events
from vgproject.schema import commands as c
from vgproject.schema.frames import (
    AppliedChanges,
    CreatedBranch,
    EventPage,
    SessionView,
    TaskAccepted,
    TurnView,
    WorkspaceView,
)

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
workspaces_router = APIRouter(tags=["sessions"])


@router.post("", status_code=201)
async def create_session(body: c.NewSession, services: ServicesDep, caller: CallerDep) -> SessionView:
    """Make a session."""
    command = c.CreateSession(**dict(body))
    answer = await services.sessions.execute(command, caller)
    return await services.sessions.get_session(answer["session_id"], caller)


@router.get("")
async def list_sessions(services: ServicesDep, caller: CallerDep) -> list[SessionView]:
    """The sessions that the caller may see."""
    return await services.sessions.list_sessions(caller)


@router.get("/{session_id}")
async def get_session(session_id: str, services: ServicesDep, caller: CallerDep) -> SessionView:
    """A session with its tasks."""
    return await services.sessions.get_session(session_id, caller)


@router.patch("/{session_id}")
async def update_session(
    session_id: str, body: c.SessionPatch, services: ServicesDep, caller: CallerDep
) -> SessionView:
    """Give the session another title, and change the settings that are named, from the next turn on."""
    if body.title is not None:
        await services.sessions.execute(c.RenameSession(session_id=session_id, title=body.title), caller)
    if body.model_fields_set != {"title"}:
        await services.sessions.execute(c.UpdateSettings(session_id=session_id, settings=body.settings), caller)
    return await services.sessions.get_session(session_id, caller)


@router.delete("/{session_id}", status_code=204)
async def delete_session(
    session_id: str,
    services: ServicesDep,
    caller: CallerDep,
    force: Annotated[bool, Query(description="Also with changes that are not applied.")] = False,
) -> None:
    """Delete the session with its log and files; 409 while a task is open or changes are not applied."""
    await services.sessions.delete_session(session_id, caller, force=force)


@router.post("/{session_id}/tasks", status_code=202)
async def create_task(session_id: str, body: c.NewTask, services: ServicesDep, caller: CallerDep) -> TaskAccepted:
    """Queue a task."""
    answer = await services.sessions.execute(c.TaskCommand(session_id=session_id, **dict(body)), caller)
    return TaskAccepted.model_validate(answer)


@router.post("/{session_id}/commands")
async def execute_command(
    session_id: str, command: c.AnyCommand, services: ServicesDep, caller: CallerDep
) -> dict[str, Any]:
    """Any command of a session; those of a connection (``hello``, ``ping``, ``subscribe``) need a WebSocket."""
    if command.session_id not in (None, session_id):
        raise CommandError(f"The command is for {command.session_id!r}, the path for {session_id!r}.")
    await services.sessions.get_session(session_id, caller)
    command = command.model_copy(update={"session_id": session_id})
    scope = f"{caller.key}//{session_id}/{command.id}/{command.model_dump_json()}" if command.id else ""
    return await services.sessions.execute(command, caller, scope=scope)


@router.get(
    "/{session_id}/events",
    response_model=EventPage,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
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
    """A page of the log, or its tail where ``Accept`` is ``text/event-stream``.

    A cursor ahead of the log is answered with the log from its first event.
    """
    view = await services.sessions.get_session(session_id, caller)
    if "text/event-stream" in accept:
        tail = tail_events(
            services.event_log,
            view,
            after=after if last_event_id is None else last_event_id,
            heartbeat_seconds=services.loaded.config.limits.heartbeat_seconds,
            closing=request.app.state.closing,
            may_read=partial(services.members.expect, session_id, caller, SEE),
            hold=partial(services.live_access.hold, caller),
        )
        return StreamingResponse(tail, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    recovered = after <= view.head_seq
    events = await services.event_log.read(session_id, after=after if recovered else 0, limit=limit)
    payload = b",".join(event.payload for event in events)
    head = orjson.dumps({"head_seq": view.head_seq, "epoch": view.epoch, "recovered": recovered})
    return Response(b'{"events":[' + payload + b"]," + head[1:], media_type="application/json")


@router.get("/{session_id}/turns")
async def list_turns(session_id: str, services: ServicesDep, caller: CallerDep) -> list[TurnView]:
    """Every model call with its reply, as it is needed to run the session again without a model."""
    return await services.sessions.list_turns(session_id, caller)


@router.get("/{session_id}/diff", response_class=PlainTextResponse)
async def read_diff(session_id: str, services: ServicesDep, caller: CallerDep) -> PlainTextResponse:
    """All that the session has changed, as a unified diff."""
    return PlainTextResponse(await services.sessions.diff(session_id, caller))


@router.post("/{session_id}/branch")
async def create_branch(session_id: str, services: ServicesDep, caller: CallerDep) -> CreatedBranch:
    """Write the changes as a branch of the project's repository; the checkout is not touched."""
    return CreatedBranch(branch=await services.sessions.create_branch(session_id, caller))


@router.post("/{session_id}/fork", status_code=201)
async def fork_session(
    session_id: str, services: ServicesDep, caller: CallerDep, body: c.NewFork | None = None
) -> SessionView:
    """A new session with the conversation and files of this one as they were at ``to_seq``."""
    return await services.sessions.fork(session_id, caller, to_seq=body.to_seq if body else None)


@router.post("/{session_id}/apply")
async def apply_changes(session_id: str, services: ServicesDep, caller: CallerDep) -> AppliedChanges:
    """Put the changes into the project, all or none."""
    return AppliedChanges(files=await services.sessions.apply(session_id, caller))


@workspaces_router.get("/v1/workspaces")
async def list_workspaces(services: ServicesDep, caller: CallerDep) -> list[WorkspaceView]:
    """What the sessions hold on disk, and what of it is not applied."""
    return await services.sessions.list_workspaces(caller)
