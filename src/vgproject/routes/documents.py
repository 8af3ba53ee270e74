"""The documents that describe the server to other programs."""

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from vgproject import __version__
from vgproject.auth import COOKIE
from vgproject.problems import MEDIA_TYPE
from vgproject.routes.dependencies import CallerDep
from vgproject.schema.descriptions import describe_fields
from vgproject.schema.documents import asyncapi, component_schemas

router = APIRouter(tags=["documents"])
OPEN_PATHS = ("/livez", "/readyz", "/sign-in", "/sign-out")


@router.get("/openapi.json")
async def read_openapi(request: Request, caller: CallerDep) -> JSONResponse:
    """This interface as an OpenAPI 3.1 document."""
    app: FastAPI = request.app
    app.openapi_schema = app.openapi_schema or openapi(app)
    return JSONResponse(app.openapi_schema)


@router.get("/asyncapi.json")
async def read_asyncapi(caller: CallerDep) -> JSONResponse:
    """The WebSocket as an AsyncAPI 3.0 document."""
    return JSONResponse(_asyncapi())


@cache
def _asyncapi() -> dict[str, Any]:
    return asyncapi(__version__)


def openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with the typed events, the security schemes, and a problem for each error."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = document["components"]["schemas"] = _untitled(document["components"]["schemas"]) | component_schemas()
    describe_fields(schemas)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["EventFrame"] = {"$ref": "#/components/schemas/Event"}
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    document["security"] = [{"bearer": []}, {"cookie": []}]
    problem = {"$ref": "#/components/schemas/Problem"}
    answer = {"description": "What is wrong", "content": {MEDIA_TYPE: {"schema": problem}}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = answer
            if path in OPEN_PATHS:
                operation["security"] = []
    return document


def _untitled(schemas: dict[str, Any]) -> dict[str, Any]:
    """Without FastAPI's titles of fields, which only repeat their names."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            field.pop("title", None)
    return schemas
