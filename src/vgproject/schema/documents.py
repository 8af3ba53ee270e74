"""The schema as documents for other programs: JSON Schema of all that crosses the WebSocket, and AsyncAPI 3."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from vgproject.schema.access import CreatedToken, TokenView
from vgproject.schema.agent_outputs import ImplementationReport, Plan, ResearchNotes
from vgproject.schema.base import EventData
from vgproject.schema.commands import AnyCommand, Command
from vgproject.schema.descriptions import describe_fields
from vgproject.schema.events import EVENTS
from vgproject.schema.frames import ANSWERS, DELTAS, MEMORY_FRAMES, PROTOCOL, Blob, EventFrame, Problem
from vgproject.schema.memory import MemoryChange, MemoryConflict, MemoryEntry, Proposal

Document = dict[str, Any]

COMMAND_CLASSES: tuple[type[Command], ...] = get_args(get_args(AnyCommand)[0])
AGENT_OUTPUTS: tuple[type[BaseModel], ...] = (ResearchNotes, Plan, ImplementationReport)
HTTP_ANSWERS: tuple[type[BaseModel], ...] = (MemoryChange, MemoryConflict, Proposal, TokenView, CreatedToken)
"""Of what only HTTP answers, that which the web page shows."""
REFERENCE = "#/components/schemas/"
EXAMPLES = {
    "session_id": "ses_01kavz9s8m4qj2x7c5d6e8f9gh",
    "task_id": "tsk_01kavz9s8m4qj2x7c5d6e8f9gj",
    "epoch": "epo_01kavz9s8m4qj2x7c5d6e8f9gk",
    "id": "c1",
    "time": "2026-11-23T04:00:00.000Z",
    "content": "Make the failing test pass",
    "phase": "research",
    "tool": "read_file",
    "model": "anthropic:claude-sonnet-4-5",
    "path": "calc.py",
    "message": "A sentence that says what is wrong.",
}


class Untitled(GenerateJsonSchema):
    """A field's name is title enough."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def event_class(data: type[EventData]) -> type[BaseModel]:
    """The whole frame of one event type. ``blob`` is there where the data was too large for the frame."""
    with_blob = create_model(f"{data.__name__}Data", __base__=data, __doc__=data.__doc__, blob=(Blob | None, None))
    event_type = Literal[data.type]  # type: ignore[name-defined]
    doc = data.__doc__ if data.__doc__ != EventData.__doc__ else None
    return create_model(
        f"{data.__name__}Event", __base__=EventFrame, __doc__=doc, type=(event_type, ...), data=(with_blob, ...)
    )


def groups() -> dict[str, list[type[BaseModel]]]:
    """All messages, by what they are."""
    return {
        "Command": list(COMMAND_CLASSES),
        "Event": [event_class(data) for data in EVENTS],
        "Delta": list(DELTAS),
        "MemoryFrame": list(MEMORY_FRAMES),
        "Answer": list(ANSWERS),
    }


def component_schemas() -> dict[str, Document]:
    """Every message, agent output, memory entry and answer that the page knows by its name, and one union for each group."""
    members = groups()
    classes = [kind for kinds in members.values() for kind in kinds] + [
        *AGENT_OUTPUTS,
        *HTTP_ANSWERS,
        MemoryEntry,
        Problem,
    ]
    _, whole = models_json_schema(
        [(kind, "validation") for kind in classes], ref_template=REFERENCE + "{model}", schema_generator=Untitled
    )
    schemas: dict[str, Document] = whole["$defs"]
    describe_fields(schemas)
    for kind in (kind for kinds in members.values() for kind in kinds):
        _require_type(schemas[kind.__name__])
    for group, kinds in members.items():
        schemas[group] = {"oneOf": [_reference(kind.__name__) for kind in kinds]}
    one = {"oneOf": [_reference(group) for group in ("Event", "Delta", "MemoryFrame", "Answer")]}
    schemas["Frames"] = {
        "description": "Replays and bursts: several events, deltas or changes of memory in one frame.",
        "type": "array",
        "minItems": 1,
        "items": {"oneOf": [_reference("Event"), _reference("Delta"), _reference("MemoryFrame")]},
    }
    schemas["Outgoing"] = {"oneOf": [*one["oneOf"], _reference("Frames")]}
    return schemas


def json_schema() -> Document:
    """One JSON Schema (2020-12) of a single message in either direction, with all of them by name."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "oneOf": [_reference("Command"), _reference("Outgoing")],
        "components": {"schemas": component_schemas()},
    }


def asyncapi(version: str) -> Document:
    """The AsyncAPI 3.0 document of ``/v1/ws``."""
    schemas = component_schemas()
    members = {group: [kind.__name__ for kind in kinds] for group, kinds in groups().items()}
    outgoing = [*members["Event"], *members["Delta"], *members["MemoryFrame"], *members["Answer"], "Frames"]
    messages = {name: _message(name, schemas) for name in (*members["Command"], *outgoing)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vgPROJECT",
            "version": version,
            "description": f"JSON text frames over `/v1/ws`; the subprotocol `{PROTOCOL}` may be asked for.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            }
        },
        "channels": {
            "main": {
                "address": "/v1/ws",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "takeCommand": _operation("receive", members["Command"]),
            "sendFrame": _operation("send", outgoing),
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(action: str, names: Iterable[str]) -> Document:
    messages = [{"$ref": f"#/channels/main/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": "#/channels/main"}, "messages": messages}


def _message(name: str, schemas: dict[str, Document]) -> Document:
    message: Document = {"name": name, "payload": _reference(name), "examples": [{"payload": example(name, schemas)}]}
    if summary := schemas[name].get("description"):
        message["summary"] = summary
    if name == "Frames":
        # An example's payload must be an object; those of the single messages stand for the array's.
        del message["examples"]
    return message


def example(name: str, schemas: dict[str, Document]) -> Any:
    """The message with what it must have, filled in."""
    return _example_of(schemas[name], "", schemas)


def _example_of(schema: Document, field: str, schemas: dict[str, Document]) -> Any:
    match schema:
        case {"$ref": str(target)}:
            return example(target.removeprefix(REFERENCE), schemas)
        case {"const": value}:
            return value
        case {"enum": [value, *_]}:
            return value
        case {"oneOf": [first, *_]} | {"anyOf": [first, *_]}:
            return _example_of(first, field, schemas)
        case {"type": "string"}:
            return EXAMPLES.get(field, f"{field}_1" if field.endswith("_id") else field or "text")
        case {"type": "integer" | "number"}:
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case {"type": "boolean"}:
            return True
        case {"type": "array", "items": items}:
            return [_example_of(items, field, schemas)]
        case {"type": "object"}:
            properties = schema.get("properties", {})
            return {name: _example_of(properties[name], name, schemas) for name in schema.get("required", ())}
    return None


def _require_type(schema: Document) -> None:
    if "type" not in schema.setdefault("required", []):
        schema["required"].insert(0, "type")
    schema["properties"]["type"].pop("default", None)


def _reference(name: str) -> Document:
    return {"$ref": REFERENCE + name}
