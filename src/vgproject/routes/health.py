"""Whether the server lives, whether it can take work, and its figures."""

import asyncio
from contextlib import suppress
from functools import partial

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request

from vgproject.errors import StorageError, VgprojectError
from vgproject.metrics import Metrics
from vgproject.problems import problem_response
from vgproject.routes.dependencies import CallerDep, ServicesDep
from vgproject.schema.frames import Problem, Readiness
from vgproject.watchdog import Watchdog

COUNT_SECONDS = 2

router = APIRouter(tags=["health"])


@router.get("/livez", response_class=PlainTextResponse, responses={503: {"model": Problem}})
async def live(request: Request) -> Response:
    """The process answers and does its work; else 503: only a new start helps."""
    watchdog: Watchdog = request.app.state.watchdog
    if failure := watchdog.failure():
        return problem_response(503, failure, code="not_live")
    return PlainTextResponse("ok")


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def ready(request: Request, services: ServicesDep) -> JSONResponse:
    """Whether tasks can be taken; else 503 with the name of the part that fails."""
    if request.app.state.draining:
        return JSONResponse({"status": "draining", "failing": "server"}, status_code=503)
    seconds = services.loaded.config.limits.ready_seconds
    checks = (
        ("database", partial(services.database.check, seconds)),
        ("queue", partial(services.engine.check, seconds)),
        ("broker", services.broker.check),
    )
    for part, check in checks:
        try:
            await check()
        except VgprojectError as error:
            return JSONResponse({"status": "failing", "failing": part, "detail": error.message}, status_code=503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse)
async def read_metrics(request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """Figures for Prometheus; without those of the database where it does not give them soon."""
    metrics: Metrics = request.app.state.metrics
    counts = None
    with suppress(StorageError, TimeoutError):
        async with asyncio.timeout(COUNT_SECONDS), services.database.unit_of_work() as work:
            counts = await work.sessions.count_open()
    return Response(metrics.render(counts), media_type=CONTENT_TYPE_LATEST)
