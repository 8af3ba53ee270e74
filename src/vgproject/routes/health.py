"""Whether the server lives, whether it can take work, and its figures."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request

from vgproject.errors import VgprojectError
from vgproject.metrics import Metrics
from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.schema.frames import Readiness

router = APIRouter(tags=["health"])


@router.get("/livez", response_class=PlainTextResponse)
async def live() -> PlainTextResponse:
    """The process answers."""
    return PlainTextResponse("ok")


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def ready(request: Request, services: ServicesDep) -> JSONResponse:
    """Whether tasks can be taken; else 503 with the name of the part that fails."""
    if request.app.state.draining:
        return JSONResponse({"status": "draining", "failing": "server"}, status_code=503)
    for part, check in (("database", services.database.check), ("queue", services.engine.check)):
        try:
            await check()
        except VgprojectError as error:
            return JSONResponse({"status": "failing", "failing": part, "detail": error.message}, status_code=503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse)
async def read_metrics(request: Request, caller: CallerDep) -> Response:
    """Figures for Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)
