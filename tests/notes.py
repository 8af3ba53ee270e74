"""A call of a model, and who listens to it."""

from pydantic_ai.messages import ModelRequest, UserPromptPart

from vgproject.llm.base import ModelCall


class Notes:
    """Writes down what a model says."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []
        self.retries: list[tuple[int, int, str]] = []
        self.fallbacks: list[tuple[str, str]] = []
        self._before_retry = 0

    @property
    def heard_after_retry(self) -> list[tuple[str, str, int]]:
        """What was heard since the last attempt began."""
        return self.heard[self._before_retry :]

    def on_text(self, text: str, offset: int) -> None:
        self.heard.append(("text", text, offset))

    def on_reasoning(self, text: str, offset: int) -> None:
        self.heard.append(("reasoning", text, offset))

    def on_tool_arguments(self, tool_call_id: str, tool: str, text: str, offset: int) -> None:
        self.heard.append((tool, text, offset))

    async def on_retry(self, attempt: int, delay_ms: int, reason: str) -> None:
        self.retries.append((attempt, delay_ms, reason))
        self._before_retry = len(self.heard)

    async def on_fallback(self, from_model: str, to_model: str, reason: str) -> None:
        self.fallbacks.append((from_model, to_model))


def make_call(model: str) -> ModelCall:
    return ModelCall(model, "research", 0, [ModelRequest(parts=[UserPromptPart("Hello")])], "Be brief.", [])
