"""Memory of projects and users, and blobs, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from vgproject.access.permissions import SEE
from vgproject.errors import NotFoundError
from vgproject.event_log import no_such_blob
from vgproject.knowledge.namespaces import Namespace
from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.schema import commands as c
from vgproject.schema.base import Id
from vgproject.schema.events import MemoryMerged
from vgproject.schema.memory import (
    CleanUp,
    MemoryChange,
    MemoryCleanUp,
    MemoryConflict,
    MemoryEntry,
    MemoryImport,
    MemoryKind,
    MemoryScope,
    MemoryStatus,
    Proposal,
)

router = APIRouter(prefix="/v1", tags=["memory"])


def get_namespace(
    services: ServicesDep, caller: CallerDep, project: str | None = None, scope: MemoryScope = "project"
) -> Namespace:
    """That of the query."""
    return services.memory_commands.namespace(caller, scope=scope, project=project)


NamespaceDep = Annotated[Namespace, Depends(get_namespace)]
Kinds = Annotated[list[MemoryKind], Query(description="Entries of these kinds only; may be repeated.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/memory")
async def list_memory(
    request: Request,
    response: Response,
    services: ServicesDep,
    namespace: NamespaceDep,
    kind: Kinds = [],  # noqa: B006  (FastAPI copies it)
    tag: str | None = None,
    status: Annotated[list[MemoryStatus], Query()] = ["active"],  # noqa: B006
    after: Annotated[str | None, Query(description="The id of the last entry of the page before.")] = None,
    limit: Limit = 100,
) -> list[MemoryEntry]:
    """A page of the entries of a project's or of your own memory (``scope=user``), in the order they were added. Where
    there is more, the header ``Link`` has the address of the next page (``rel="next"``)."""
    found = await services.memory_commands.list_entries(
        namespace, kinds=kind, tag=tag, statuses=status, after=after, limit=limit + 1
    )
    page = found[:limit]
    if len(found) > limit:
        following = request.url.include_query_params(after=page[-1].memory_id)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return page


@router.get("/memory/search")
async def search_memory(
    services: ServicesDep,
    namespace: NamespaceDep,
    q: Annotated[str, Query(min_length=1)],
    kind: Kinds = [],  # noqa: B006
    limit: Limit = 20,
) -> list[MemoryEntry]:
    """The entries that have to do with ``q``, the best first."""
    return await services.memory_commands.search(namespace, q, kinds=kind, limit=limit)


@router.get("/memory/conflicts")
async def list_conflicts(
    services: ServicesDep,
    namespace: NamespaceDep,
    settled: Annotated[bool, Query(description="Those that are settled too.")] = False,
) -> list[MemoryConflict]:
    """Entries that contradict each other."""
    return await services.memory_commands.conflicts(namespace, settled=settled)


@router.post("/memory/conflicts/{conflict_id}")
async def settle_conflict(
    conflict_id: Id, body: c.MemorySettlement, services: ServicesDep, caller: CallerDep
) -> MemoryConflict:
    """Say which of two entries is right; the first word counts."""
    command = c.SettleMemory(conflict_id=conflict_id, **dict(body))
    return MemoryConflict.model_validate(await services.sessions.execute(command, caller))


@router.post("/memory", status_code=201)
async def add_memory(body: c.NewMemory, services: ServicesDep, caller: CallerDep) -> MemoryEntry:
    """Add an entry; one that says the same already is answered as it is."""
    return MemoryEntry.model_validate(await services.sessions.execute(c.Remember(**dict(body)), caller))


@router.post("/memory/import")
async def import_memory(body: MemoryImport, services: ServicesDep, caller: CallerDep) -> MemoryMerged:
    """Merge entries of another memory, all or none: what the memory says already stays as it is."""
    return await services.memory_commands.take_import(body, caller)


@router.get("/memory/clean-up")
async def propose_clean_up(services: ServicesDep, namespace: NamespaceDep) -> list[Proposal]:
    """What could be forgotten, and why."""
    return await services.memory_commands.propose_clean_up(namespace)


@router.post("/memory/clean-up")
async def clean_up(
    services: ServicesDep, caller: CallerDep, namespace: NamespaceDep, body: MemoryCleanUp | None = None
) -> CleanUp:
    """Forget what is proposed; it can be undone."""
    return await services.memory_commands.clean_up(namespace, caller, reasons=body.reasons if body else None)


@router.post("/memory/clean-up/{clean_up_id}/undo")
async def undo_clean_up(
    clean_up_id: Id, services: ServicesDep, caller: CallerDep, namespace: NamespaceDep
) -> list[str]:
    """Restore what that clean-up forgot; the ids of those entries."""
    return await services.memory_commands.undo_clean_up(namespace, clean_up_id, caller)


@router.get("/memory/{memory_id}")
async def get_memory(memory_id: Id, services: ServicesDep, caller: CallerDep) -> MemoryEntry:
    """One entry, whatever its status."""
    return await services.memory_commands.get(memory_id, caller)


@router.get("/memory/{memory_id}/history")
async def read_history(memory_id: Id, services: ServicesDep, caller: CallerDep) -> list[MemoryChange]:
    """Every version of an entry, the first one first: who changed what, when and why."""
    return await services.memory_commands.history(memory_id, caller)


@router.patch("/memory/{memory_id}")
async def update_memory(memory_id: Id, body: c.MemoryEdit, services: ServicesDep, caller: CallerDep) -> MemoryEntry:
    """Change an entry; 409 with the entry in ``details.current`` where ``version`` is not the current one."""
    command = c.UpdateMemory(memory_id=memory_id, **dict(body))
    return MemoryEntry.model_validate(await services.sessions.execute(command, caller))


@router.delete("/memory/{memory_id}")
async def forget_memory(
    memory_id: Id,
    services: ServicesDep,
    caller: CallerDep,
    version: Annotated[int | None, Query(ge=1)] = None,
    reason: Annotated[str | None, Query(min_length=1, max_length=2000)] = None,
) -> MemoryEntry:
    """Forget an entry; the answer is its last version. It can be restored."""
    command = c.Forget(memory_id=memory_id, version=version, reason=reason)
    return MemoryEntry.model_validate(await services.sessions.execute(command, caller))


@router.post("/memory/{memory_id}/restore")
async def restore_memory(
    memory_id: Id, services: ServicesDep, caller: CallerDep, body: c.MemoryRestore | None = None
) -> MemoryEntry:
    """Make a forgotten or superseded entry known again, or an older version of one the current one."""
    command = c.RestoreMemory(memory_id=memory_id, **dict(body or c.MemoryRestore()))
    return MemoryEntry.model_validate(await services.sessions.execute(command, caller))


@router.get("/blobs/{blob_id}", response_class=Response)
async def get_blob(blob_id: Id, services: ServicesDep, caller: CallerDep) -> Response:
    """The whole data of an event, or output of a tool, that was too large for its frame."""
    session_id, content = await services.event_log.blob(blob_id)
    try:
        await services.members.expect(session_id, caller, SEE)
    except NotFoundError as error:
        raise no_such_blob(blob_id) from error
    return Response(content, media_type="application/json")
