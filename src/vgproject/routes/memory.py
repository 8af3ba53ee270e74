"""The project's memory, and blobs, over HTTP."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from vgproject.access.permissions import SEE
from vgproject.errors import NotFoundError
from vgproject.event_log import no_such_blob
from vgproject.memory import Note
from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.schema.base import ShortText
from vgproject.schema.commands import MemoryChange, NewMemory
from vgproject.schema.memory import MemoryEntry, MemoryOrigin

router = APIRouter(prefix="/v1", tags=["memory"])


class NewEntry(NewMemory):
    project: ShortText | None = None


@router.get("/memory")
async def list_memory(services: ServicesDep, caller: CallerDep, project: str | None = None) -> list[MemoryEntry]:
    """The entries of a project's memory."""
    return await services.memory.list_entries(_project(services, project))


@router.get("/memory/search")
async def search_memory(
    services: ServicesDep, caller: CallerDep, q: Annotated[str, Query(min_length=1)], project: str | None = None
) -> list[MemoryEntry]:
    """The entries that share words with ``q``, those with most of them first."""
    return await services.memory.search(_project(services, project), q)


@router.post("/memory", status_code=201)
async def add_memory(body: NewEntry, services: ServicesDep, caller: CallerDep) -> MemoryEntry:
    """Add an entry; one that says the same already is answered as it is."""
    origin = MemoryOrigin(actor=caller.user_id)
    entry, _ = await services.memory.add(_project(services, body.project), Note(body.kind, body.content), origin)
    return entry


@router.get("/memory/{memory_id}")
async def get_memory(memory_id: str, services: ServicesDep, caller: CallerDep) -> MemoryEntry:
    """One entry."""
    return await services.memory.get(memory_id)


@router.patch("/memory/{memory_id}")
async def update_memory(memory_id: str, body: MemoryChange, services: ServicesDep, caller: CallerDep) -> MemoryEntry:
    """Change what an entry says."""
    return await services.memory.update(memory_id, body.content, version=body.version)


@router.delete("/memory/{memory_id}")
async def forget_memory(
    memory_id: str, services: ServicesDep, caller: CallerDep, version: int | None = None
) -> MemoryEntry:
    """Forget an entry; the answer is its last version."""
    return await services.memory.forget(memory_id, version=version)


@router.get("/blobs/{blob_id}", response_class=Response)
async def get_blob(blob_id: str, services: ServicesDep, caller: CallerDep) -> Response:
    """The whole data of an event, or output of a tool, that was too large for its frame."""
    session_id, content = await services.event_log.blob(blob_id)
    try:
        await services.members.expect(session_id, caller, SEE)
    except NotFoundError as error:
        raise no_such_blob(blob_id) from error
    return Response(content, media_type="application/json")


def _project(services: ServicesDep, project: str | None) -> str:
    return str(Path(project or services.loaded.config.project).resolve())
