"""The audit trail, which only an owner reads."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.schema.audit import AuditPage

router = APIRouter(tags=["audit"])


@router.get("/v1/audit")
async def read_audit(
    services: ServicesDep,
    caller: CallerDep,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    since: Annotated[AwareDatetime | None, Query(description="From the first record of this time or later on.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> AuditPage:
    """Who did what, when, from where, with which outcome: a page of records, each chained to the one before it."""
    return await services.audit.read(after=after, since=since, limit=limit)
