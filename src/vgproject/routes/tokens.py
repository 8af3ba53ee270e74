"""API tokens, which only an owner makes and revokes."""

from fastapi import APIRouter, Request

from vgproject.routes.dependencies import CallerDep, ServicesDep, note_made
from vgproject.schema.access import CreatedToken, NewToken, TokenView
from vgproject.schema.base import Id

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])


@router.get("")
async def list_tokens(services: ServicesDep, caller: CallerDep) -> list[TokenView]:
    """All API tokens, also those that are of no use any more; without their secrets, which are not kept."""
    return await services.tokens.list_all()


@router.post("", status_code=201)
async def create_token(request: Request, body: NewToken, services: ServicesDep, caller: CallerDep) -> CreatedToken:
    """Make an API token; only this answer has it."""
    created = await services.tokens.create(body)
    note_made(request, token_id=created.token_id, user=created.user, role=created.role)
    return created


@router.delete("/{token_id}")
async def revoke_token(token_id: Id, services: ServicesDep, caller: CallerDep) -> TokenView:
    """Revoke an API token; what is connected with it is closed."""
    return await services.tokens.revoke(token_id)
