"""Sessions, their tasks, events and changes over HTTP."""

from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from vgproject.access.permissions import SEE
from vgproject.errors import BadInputError, CommandError
from vgproject.routes.dependencies import CallerDep, ServicesDep, note_made
from vgproject.routes.event_stream import tail_events
from vgproject.schema import commands as c
from vgproject.schema.base import Id
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
PAGE_BYTES = 8 * 1024 * 1024
"""Of a page of events; a single larger event goes beyond."""


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
async def get_session(session_id: Id, services: ServicesDep, caller: CallerDep) -> SessionView:
    """A session with its tasks."""
    return await services.sessions.get_session(session_id, caller)


@router.patch("/{session_id}")
async def update_session(session_id: Id, body: c.SessionPatch, services: ServicesDep, caller: CallerDep) -> SessionView:
    """Give the session another title, and change the settings that are named, from the next turn on."""
    if body.title is not None:
        await services.sessions.execute(c.RenameSession(session_id=session_id, title=body.title), caller)
    if body.model_fields_set != {"title"}:
        await services.sessions.execute(c.UpdateSettings(session_id=session_id, settings=body.settings), caller)
    return await services.sessions.get_session(session_id, caller)


@router.delete("/{session_id}", status_code=204)
async def delete_session(
    session_id: Id,
    services: ServicesDep,
    caller: CallerDep,
    force: Annotated[bool, Query(description="Also with changes that are not applied.")] = False,
) -> None:
    """Delete the session with its log and files; 409 while a task is open or changes are not applied."""
    await services.sessions.delete_session(session_id, caller, force=force)


@router.post("/{session_id}/tasks", status_code=202)
async def create_task(session_id: Id, body: c.NewTask, services: ServicesDep, caller: CallerDep) -> TaskAccepted:
    """Queue a task."""
    answer = await services.sessions.execute(c.TaskCommand(session_id=session_id, **dict(body)), caller)
    return TaskAccepted.model_validate(answer)


@router.post("/{session_id}/commands")
async def execute_command(
    session_id: Id, command: c.AnyCommand, services: ServicesDep, caller: CallerDep
) -> dict[str, Any]:
    """Any command of a session; those of a connection (``hello``, ``ping``, ``subscribe``) need a WebSocket."""
    if command.session_id not in (None, session_id):
        raise CommandError(f"The command is for {command.session_id!r}, the path for {session_id!r}.")
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
    session_id: Id,
    services: ServicesDep,
    caller: CallerDep,
    after: Annotated[int | None, Query(ge=0, description="From the first event after this seq on.")] = None,
    before: Annotated[
        int | None, Query(ge=1, description="The last ones before this seq, in place of `after`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """A page of the log, or its tail where ``Accept`` is ``text/event-stream``.

    It has at most 8 MiB, so there may be fewer events than ``limit``. A cursor ``after`` that is ahead of the log is
    answered with the log from its first event.
    """
    if before is not None and (after is not None or "text/event-stream" in accept):
        raise BadInputError("`before` has no place beside `after`, nor where the log is followed.")
    view = await services.sessions.get_session(session_id, caller)
    if "text/event-stream" in accept:
        tail = tail_events(
            services.event_log,
            view,
            after=(after or 0) if last_event_id is None else last_event_id,
            heartbeat_seconds=services.loaded.config.limits.heartbeat_seconds,
            closing=request.app.state.closing,
            may_read=partial(services.members.expect, session_id, caller, SEE),
            hold=partial(services.live_access.hold, caller),
        )
        return StreamingResponse(tail, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    log, recovered = services.event_log, (after or 0) <= view.head_seq
    if before is not None:
        events = await log.read_before(session_id, before=before, limit=limit, max_bytes=PAGE_BYTES)
    else:
        start = (after or 0) if recovered else 0
        events = await log.read(session_id, after=start, limit=limit, max_bytes=PAGE_BYTES)
    payload = b",".join(event.payload for event in events)
    head = orjson.dumps({"head_seq": view.head_seq, "epoch": view.epoch, "recovered": recovered})
    return Response(b'{"events":[' + payload + b"]," + head[1:], media_type="application/json")


@router.get("/{session_id}/turns")
async def list_turns(session_id: Id, services: ServicesDep, caller: CallerDep) -> list[TurnView]:
    """Every model call with its reply, as it is needed to run the session again without a model."""
    return await services.sessions.list_turns(session_id, caller)


@router.get("/{session_id}/diff", response_class=PlainTextResponse)
async def read_diff(session_id: Id, services: ServicesDep, caller: CallerDep) -> PlainTextResponse:
    """All that the session has changed, as a unified diff."""
    return PlainTextResponse(await services.sessions.diff(session_id, caller))


@router.post("/{session_id}/branch")
async def create_branch(session_id: Id, services: ServicesDep, caller: CallerDep) -> CreatedBranch:
    """Write the changes as a branch of the project's repository; the checkout is not touched."""
    return CreatedBranch(branch=await services.sessions.create_branch(session_id, caller))


@router.post("/{session_id}/fork", status_code=201)
async def fork_session(
    request: Request, session_id: Id, services: ServicesDep, caller: CallerDep, body: c.NewFork | None = None
) -> SessionView:
    """A new session with the conversation and files of this one as they were at ``to_seq``."""
    fork = await services.sessions.fork(session_id, caller, to_seq=body.to_seq if body else None)
    note_made(request, session_id=fork.session_id)
    return fork


@router.post("/{session_id}/apply")
async def apply_changes(session_id: Id, services: ServicesDep, caller: CallerDep) -> AppliedChanges:
    """Put the changes into the project, all or none."""
    return AppliedChanges(files=await services.sessions.apply(session_id, caller))


@workspaces_router.get("/v1/workspaces")
async def list_workspaces(services: ServicesDep, caller: CallerDep) -> list[WorkspaceView]:
    """What the sessions hold on disk, and what of it is not applied."""
    return await services.sessions.list_workspaces(caller)
