"""Real language models, by the name of their provider. A provider's library is loaded when it is first used."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import httpx
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UnexpectedModelBehavior, UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from vgproject.errors import ModelError
from vgproject.llm.base import ModelCall, ModelListener, ModelReply
from vgproject.llm.prices import usage_of


@dataclass(frozen=True)
class Provider:
    """Where a provider's classes are, and which variables hold its key and address."""

    model: str
    provider: str
    key: str | None = None
    url: str | None = None
    default_url: str | None = None
    default_model: str | None = None
    client: str | None = None
    """The class of the client that takes the address, where the provider's own class takes none."""


PROVIDERS: dict[str, Provider] = {
    "anthropic": Provider(
        "pydantic_ai.models.anthropic:AnthropicModel",
        "pydantic_ai.providers.anthropic:AnthropicProvider",
        key="ANTHROPIC_API_KEY",
        url="ANTHROPIC_BASE_URL",
        default_url="https://api.anthropic.com",
        default_model="claude-sonnet-5-5",
    ),
    "openai": Provider(
        "pydantic_ai.models.openai:OpenAIResponsesModel",
        "pydantic_ai.providers.openai:OpenAIProvider",
        key="OPENAI_API_KEY",
        url="OPENAI_BASE_URL",
        default_url="https://api.openai.com/v1",
        default_model="gpt-5.6-sol",
    ),
    "google": Provider(
        "pydantic_ai.models.google:GoogleModel",
        "pydantic_ai.providers.google:GoogleProvider",
        key="GEMINI_API_KEY",
        url="GOOGLE_GEMINI_BASE_URL",
        default_url="https://generativelanguage.googleapis.com",
        default_model="gemini-3.1-pro-preview",
    ),
    "openrouter": Provider(
        "pydantic_ai.models.openrouter:OpenRouterModel",
        "pydantic_ai.providers.openrouter:OpenRouterProvider",
        key="OPENROUTER_API_KEY",
        url="OPENROUTER_BASE_URL",
        default_url="https://openrouter.ai/api/v1",
        client="openai:AsyncOpenAI",
        default_model="anthropic/claude-sonnet-5.5",
    ),
    "groq": Provider(
        "pydantic_ai.models.groq:GroqModel",
        "pydantic_ai.providers.groq:GroqProvider",
        key="GROQ_API_KEY",
        url="GROQ_BASE_URL",
        default_url="https://api.groq.com",
        default_model="openai/gpt-oss-120b",
    ),
    "deepseek": Provider(
        "pydantic_ai.models.openai:OpenAIChatModel",
        "pydantic_ai.providers.deepseek:DeepSeekProvider",
        key="DEEPSEEK_API_KEY",
        url="DEEPSEEK_BASE_URL",
        default_url="https://api.deepseek.com",
        client="openai:AsyncOpenAI",
        default_model="deepseek-v4-pro",
    ),
    "bedrock": Provider(
        "pydantic_ai.models.bedrock:BedrockConverseModel", "pydantic_ai.providers.bedrock:BedrockProvider"
    ),
    "ollama": Provider(
        "pydantic_ai.models.ollama:OllamaModel",
        "pydantic_ai.providers.ollama:OllamaProvider",
        url="OLLAMA_BASE_URL",
        default_url="http://localhost:11434/v1",
    ),
    "openai-compatible": Provider(
        "pydantic_ai.models.openai:OpenAIChatModel",
        "pydantic_ai.providers.openai:OpenAIProvider",
        url="OPENAI_BASE_URL",
    ),
}


class ProviderBackend:
    """One model of one provider."""

    def __init__(
        self,
        provider: str,
        name: str,
        environment: Mapping[str, str],
        *,
        timeout_seconds: float,
        silence_seconds: float,
    ) -> None:
        self._name = f"{provider}:{name}"
        self._provider = provider
        self._key = environment.get(PROVIDERS[provider].key or "OPENAI_API_KEY")
        self._silence_seconds = silence_seconds
        self._settings = ModelSettings(timeout=timeout_seconds, max_retries=0)
        self._model = build_model(provider, name, environment)

    async def request(self, call: ModelCall, listener: ModelListener, *, attempt: int) -> ModelReply:
        try:
            return await self._request(call, listener)
        except TimeoutError as error:
            raise ModelError(
                f"{self._name} said nothing for {self._silence_seconds:g} seconds.",
                code="model_timeout",
                retryable=True,
            ) from error
        except ModelHTTPError as error:
            raise self._http_error(error) from error
        except (ModelAPIError, UnexpectedModelBehavior, httpx.HTTPError, OSError) as error:
            raise ModelError(
                self._hide_key(f"{self._name} broke off: {error}"), code="model_unreachable", retryable=True
            ) from error
        except UserError as error:
            raise ModelError(f"{self._name} cannot be asked this: {error}", code="model_refused") from error

    async def _request(self, call: ModelCall, listener: ModelListener) -> ModelReply:
        messages: list[ModelMessage] = list(call.messages)
        assert isinstance(messages[-1], ModelRequest)
        messages[-1] = ModelRequest(parts=messages[-1].parts, instructions=call.instructions)
        parameters = ModelRequestParameters(function_tools=list(call.tools), allow_text_output=True)
        hearing = Hearing(listener)
        opening = model_request_stream(
            self._model, messages, model_settings=self._settings, model_request_parameters=parameters
        )
        async with opening as stream:
            events = aiter(stream)
            while (event := await asyncio.wait_for(anext(events, None), self._silence_seconds)) is not None:
                hearing.take(event)
            response = stream.get()
        return ModelReply(response, self._name, usage_of(response, self._provider))

    def _http_error(self, error: ModelHTTPError) -> ModelError:
        headers = error.headers or {}
        if error.status_code in (408, 409, 425, 429) or error.status_code >= 500:
            return ModelError(
                f"{self._name} answered {error.status_code}.",
                code="model_unreachable",
                retryable=True,
                retry_after=headers.get("retry-after"),
            )
        return ModelError(self._hide_key(self._refusal(error)), code="model_refused")

    def _refusal(self, error: ModelHTTPError) -> str:
        variable = PROVIDERS[self._provider].key or "its key"
        match error.status_code:
            case 401 | 403:
                return f"{self._name} refused the key ({error.status_code}): check {variable}."
            case 404:
                return f"{self._name} is not known at its address (404): check the model's name and the address."
            case status:
                return f"{self._name} refused the call ({status}): {error.body}"

    def _hide_key(self, text: str) -> str:
        return text.replace(self._key, "(key)") if self._key else text


class Hearing:
    """Passes a stream's events on to a listener, with offsets."""

    def __init__(self, listener: ModelListener) -> None:
        self._listener = listener
        self._text = 0
        self._reasoning = 0
        self._calls: dict[int, tuple[str, str, int]] = {}

    def take(self, event: object) -> None:
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self._take_text(text)
            case PartStartEvent(part=ThinkingPart(content=text)):
                self._take_reasoning(text)
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                self._take_reasoning(text)
            case PartStartEvent(index=index, part=ToolCallPart() as part):
                self._calls[index] = (part.tool_call_id, part.tool_name, 0)
                self._take_arguments(index, part.args)
            case PartDeltaEvent(index=index, delta=ToolCallPartDelta(args_delta=arguments)):
                self._take_arguments(index, arguments)
            case _:
                pass

    def _take_text(self, text: str) -> None:
        if text:
            self._listener.on_text(text, self._text)
            self._text += len(text)

    def _take_reasoning(self, text: str) -> None:
        if text:
            self._listener.on_reasoning(text, self._reasoning)
            self._reasoning += len(text)

    def _take_arguments(self, index: int, text: Any) -> None:
        if isinstance(text, str) and text and index in self._calls:
            call_id, tool, offset = self._calls[index]
            self._listener.on_tool_arguments(call_id, tool, text, offset)
            self._calls[index] = (call_id, tool, offset + len(text))


def build_model(provider: str, name: str, environment: Mapping[str, str]) -> Model:
    """Raises `ModelError` (``no_model_key``) that names the variable which is missing."""
    kind = PROVIDERS[provider]
    options = _provider_options(kind, f"{provider}:{name}", environment)
    try:
        model: Model = resolve_name(kind.model)(name, provider=resolve_name(kind.provider)(**options))
    except UserError as error:
        raise ModelError(f"The model {provider}:{name} cannot be used: {error}", code="bad_model_name") from error
    return model


def _provider_options(kind: Provider, model: str, environment: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, str] = {}
    if kind.key:
        if not (key := environment.get(kind.key)):
            raise ModelError(f"The model {model} needs the variable {kind.key}.", code="no_model_key")
        options["api_key"] = key
    if kind.url:
        if not (url := environment.get(kind.url) or kind.default_url):
            raise ModelError(f"The model {model} needs its address in {kind.url}.", code="no_model_key")
        options["base_url"] = url
    if kind.url == "OLLAMA_BASE_URL":
        options["api_key"] = "none"
    elif kind.url and not kind.key:
        options["api_key"] = environment.get("OPENAI_API_KEY") or "none"
    return {"openai_client": resolve_name(kind.client)(**options)} if kind.client else dict(options)
