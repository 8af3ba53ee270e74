"""Whether the server lives, whether it can take work, and its figures."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request

from vgproject.errors import VgprojectError
from vgproject.routes.dependencies import CallerDep, ServicesDep

router = APIRouter(tags=["health"])


@router.get("/livez")
async def live() -> PlainTextResponse:
    return PlainTextResponse("ok")


@router.get("/readyz")
async def ready(request: Request, services: ServicesDep) -> JSONResponse:
    """503 with the name of the part that fails."""
    if request.app.state.draining:
        return JSONResponse({"status": "draining", "failing": "server"}, status_code=503)
    for part, check in (("database", services.database.check), ("queue", services.engine.check)):
        try:
            await check()
        except VgprojectError as error:
            return JSONResponse({"status": "failing", "failing": part, "detail": error.message}, status_code=503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(caller: CallerDep) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
