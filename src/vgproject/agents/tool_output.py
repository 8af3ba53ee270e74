"""What a tool prints while it runs, passed on to who watches."""

from collections.abc import Callable

from vgproject.agents.context import PhaseContext


def open_output(context: PhaseContext, tool_call_id: str) -> Callable[[str], None]:
    """Sends each piece of text as a delta; its ``offset`` is how many characters came before."""
    session_id, broker = context.task.session_id, context.services.broker
    written = 0

    def send(text: str) -> None:
        nonlocal written
        broker.send_delta(
            session_id,
            {
                "type": "tool_output_delta",
                "session_id": session_id,
                "tool_call_id": tool_call_id,
                "stream": "merged",
                "offset": written,
                "text": text,
            },
        )
        written += len(text)

    return send
