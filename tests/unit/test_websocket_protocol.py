"""What our WebSocket protocol takes for granted of the pinned uvicorn."""

import inspect
from pathlib import Path

from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from vgproject.websocket_protocol import WebSocketProtocol

STATE = {
    "close_sent",
    "close_timer",
    "conn",
    "curr_msg_data_type",
    "frames",
    "loop",
    "queue",
    "read_paused",
    "transport",
    "writable",
}
METHODS = {
    "connection_made": ["self", "transport"],
    "handle_connect": ["self", "event"],
    "keepalive_timeout": ["self"],
    "on_task_complete": ["self", "task"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
    "send_receive_event_to_app": ["self"],
    "stop_keepalive": ["self"],
}
OURS = {
    *("_write", "close", "close_seconds", "end", "has_room", "is_full"),
    *("send_frame", "unsent_bytes", "write_now", "written_bytes"),
}


async def test_uvicorn_still_has_what_the_protocol_touches_and_nothing_of_the_names_it_adds() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("never called")

    protocol = WebSocketsSansIOProtocol(Config(app, log_config=None), ServerState(), {})
    assert set(vars(protocol)) >= STATE
    found = {name: list(inspect.signature(getattr(protocol.__class__, name)).parameters) for name in METHODS}
    assert found == METHODS
    assert not OURS & {*dir(WebSocketsSansIOProtocol), *vars(protocol)}
    assert set(vars(WebSocketProtocol)) - OURS - METHODS.keys() <= {"__doc__", "__module__"}
    source = inspect.getsource(WebSocketsSansIOProtocol.handle_connect)
    assert "self.response = " in source
    assert "self.scope: WebSocketScope = " in source


def test_uvicorn_is_pinned_to_its_minor_version() -> None:
    assert '"uvicorn>=0.54,<0.55"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()
