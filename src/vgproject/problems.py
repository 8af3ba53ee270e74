"""Errors as RFC 9457 problem documents: the one place that renders them for HTTP."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from vgproject.errors import VgprojectError
from vgproject.schema.frames import Problem
from vgproject.telemetry.log_context import current_ids

MEDIA_TYPE = "application/problem+json"
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def problem_response(status: int, detail: str, *, code: str, details: dict[str, Any] | None = None) -> JSONResponse:
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        details=details or {},
        request_id=current_ids().get("request_id"),
    )
    return JSONResponse(problem.model_dump(mode="json"), status_code=status, media_type=MEDIA_TYPE)


def code_of(error: Exception) -> str:
    """With which a request that raised it is answered."""
    if isinstance(error, VgprojectError):
        return error.code
    if isinstance(error, RequestValidationError):
        return "invalid_request"
    if isinstance(error, HTTPException):
        return CODES.get(error.status_code, "http_error")
    return VgprojectError.code


def answer_with_problems(app: FastAPI) -> None:
    """Whatever a route raises is answered with a problem."""
    app.add_exception_handler(VgprojectError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_bug)


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VgprojectError)
    answer = problem_response(error.http_status, error.message, code=code_of(error), details=error.details)
    if wait_ms := error.details.get("retry_after_ms"):
        answer.headers["Retry-After"] = str(-(-wait_ms // 1000))
    return answer


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return problem_response(422, f"The request is not right: {wrong}.", code="invalid_request")


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem_response(error.status_code, str(error.detail), code=code_of(error))
    answer.headers.update(error.headers or {})  # Such as which methods there are.
    return answer


async def _answer_bug(request: Request, error: Exception) -> Response:
    return problem_response(500, "The server made a mistake; its log says which.", code=code_of(error))
