"""What a tool prints while it runs, passed on to who watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vgproject.agents.context import PhaseContext
from vgproject.utils.secrets import MaskedStream


@contextmanager
def open_output(context: PhaseContext, tool_call_id: str) -> Iterator[Callable[[str], None]]:
    """Sends each piece of text as a delta, masked; its ``offset`` is how many characters came before."""
    session_id, broker = context.task.session_id, context.services.broker
    stream = MaskedStream(context.services.secrets)
    written = 0

    def send(text: str) -> None:
        nonlocal written
        if not text:
            return
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

    try:
        yield lambda text: send(stream.feed(text))
    finally:
        send(stream.finish())
