"""Real language models, by the name of their provider. A provider's library is loaded when it is first used."""

import asyncio
import json
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
    ModelResponse,
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

from vgproject.errors import ModelChoiceError, ModelError
from vgproject.llm.base import ModelCall, ModelListener, ModelReply
from vgproject.llm.prices import usage_of

AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
)
SECRET_ENDINGS = ("_KEY", "_KEY_ID", "_TOKEN", "_SECRET", "_PASSWORD")
"""Of the names of variables that hold secrets."""


@dataclass(frozen=True)
class Provider:
    """Where a provider's classes are, and which variables hold its key and address.

    Of ``keys`` the first that is set is sent, and only to the address in ``url``; ``others`` are read by ``client``.
    """

    model: str
    provider: str
    keys: tuple[str, ...] = ()
    url: str | None = None
    others: tuple[str, ...] = ()
    default_url: str | None = None
    default_model: str | None = None
    client: str | None = None
    """What makes the client, where the provider's own class cannot be told all that it needs."""

    refusal: str = "pydantic_ai.exceptions:UserError"
    """What its library raises before anything is sent, as for credentials that ran out."""

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(name for name in (*self.keys, self.url, *self.others) if name)


PROVIDERS: dict[str, Provider] = {
    "anthropic": Provider(
        "pydantic_ai.models.anthropic:AnthropicModel",
        "pydantic_ai.providers.anthropic:AnthropicProvider",
        keys=("ANTHROPIC_API_KEY",),
        url="ANTHROPIC_BASE_URL",
        default_url="https://api.anthropic.com",
        default_model="claude-sonnet-5-5",
    ),
    "openai": Provider(
        "pydantic_ai.models.openai:OpenAIResponsesModel",
        "pydantic_ai.providers.openai:OpenAIProvider",
        keys=("OPENAI_API_KEY",),
        url="OPENAI_BASE_URL",
        default_url="https://api.openai.com/v1",
        default_model="gpt-5.6-sol",
    ),
    "google": Provider(
        "pydantic_ai.models.google:GoogleModel",
        "pydantic_ai.providers.google:GoogleProvider",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        url="GOOGLE_GEMINI_BASE_URL",
        default_url="https://generativelanguage.googleapis.com",
        default_model="gemini-3.1-pro-preview",
    ),
    "openrouter": Provider(
        "pydantic_ai.models.openrouter:OpenRouterModel",
        "pydantic_ai.providers.openrouter:OpenRouterProvider",
        keys=("OPENROUTER_API_KEY",),
        url="OPENROUTER_BASE_URL",
        default_url="https://openrouter.ai/api/v1",
        client="openai:AsyncOpenAI",
        default_model="anthropic/claude-sonnet-5.5",
    ),
    "groq": Provider(
        "pydantic_ai.models.groq:GroqModel",
        "pydantic_ai.providers.groq:GroqProvider",
        keys=("GROQ_API_KEY",),
        url="GROQ_BASE_URL",
        default_url="https://api.groq.com",
        default_model="openai/gpt-oss-120b",
    ),
    "deepseek": Provider(
        "pydantic_ai.models.openai:OpenAIChatModel",
        "pydantic_ai.providers.deepseek:DeepSeekProvider",
        keys=("DEEPSEEK_API_KEY",),
        url="DEEPSEEK_BASE_URL",
        default_url="https://api.deepseek.com",
        client="openai:AsyncOpenAI",
        default_model="deepseek-v4-pro",
    ),
    "bedrock": Provider(
        "pydantic_ai.models.bedrock:BedrockConverseModel",
        "pydantic_ai.providers.bedrock:BedrockProvider",
        url="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        others=AWS_VARIABLES,
        client="vgproject.llm.bedrock:create_client",
        refusal="botocore.exceptions:BotoCoreError",
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
        others=("OPENAI_API_KEY",),
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
        self._environment = environment
        self._timeout_seconds = timeout_seconds
        self._silence_seconds = silence_seconds
        self._model = build_model(provider, name, environment)
        self._settings = ModelSettings(max_retries=0)
        if "max_retries" in self._model.unsupported_settings:
            self._settings = ModelSettings()
        self._refusals = (UserError, resolve_name(PROVIDERS[provider].refusal))

    async def request(self, call: ModelCall, listener: ModelListener, *, attempt: int) -> ModelReply:
        hearing = Hearing(listener)
        try:
            return await self._request(call, hearing)
        except TimeoutError as error:
            seconds = self._silence_seconds if hearing.began else self._timeout_seconds
            raise ModelError(
                f"{self._name} said nothing for {seconds:g} seconds.", code="model_timeout", retryable=True
            ) from error
        except ModelHTTPError as error:
            raise http_error(
                self._provider,
                self._name,
                error.status_code,
                str(error.body),
                retry_after=(error.headers or {}).get("retry-after"),
                environment=self._environment,
            ) from error
        except (ModelAPIError, UnexpectedModelBehavior, httpx.HTTPError, OSError) as error:
            raise ModelError(
                self._hide(f"{self._name} broke off: {error}"), code="model_unreachable", retryable=True
            ) from error
        except self._refusals as error:
            raise ModelError(self._hide(f"{self._name} cannot be asked this: {error}"), code="model_refused") from error

    async def _request(self, call: ModelCall, hearing: "Hearing") -> ModelReply:
        messages: list[ModelMessage] = list(call.messages)
        assert isinstance(messages[-1], ModelRequest)
        messages[-1] = ModelRequest(parts=messages[-1].parts, instructions=call.instructions)
        parameters = ModelRequestParameters(function_tools=list(call.tools), allow_text_output=True)
        opening = model_request_stream(
            self._model, messages, model_settings=self._settings, model_request_parameters=parameters
        )
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(self._timeout_seconds) as limit, opening as stream:
            async for event in stream:
                hearing.take(event)
                limit.reschedule(clock() + self._silence_seconds)
            response = stream.get()
        if not _is_whole(response):
            raise UnexpectedModelBehavior("the reply ended without saying that it was the end")
        return ModelReply(response, self._name, usage_of(response, self._provider))

    def _hide(self, text: str) -> str:
        return hide_secrets(text, self._environment)


def _is_whole(response: ModelResponse) -> bool:
    """Whether the provider said why the reply ends: a stream can also end cleanly because a proxy gave up."""
    return "finish_reason" in (response.provider_details or {}) or response.finish_reason == "content_filter"


def http_error(
    provider: str,
    model: str,
    status: int,
    body: str,
    *,
    retry_after: str | None,
    environment: Mapping[str, str],
) -> ModelError:
    """What it means that ``model`` of ``provider`` answered with this status."""
    if status in (408, 409, 425, 429) or status >= 500:
        return ModelError(
            f"{model} answered {status}.", code="model_unreachable", retryable=True, retry_after=retry_after
        )
    return ModelError(hide_secrets(_refusal(provider, model, status, body), environment), code="model_refused")


def _refusal(provider: str, model: str, status: int, body: str) -> str:
    kind = PROVIDERS[provider]
    match status:
        case 401 | 403:
            variables = " and ".join([*kind.keys, *kind.others]) or "its key"
            return f"{model} refused the key ({status}): check {variables}."
        case 404:
            return f"{model} is not known at its address (404): check the model's name and the address."
        case _:
            return f"{model} refused the call ({status}): {body}"


def hide_secrets(text: str, environment: Mapping[str, str]) -> str:
    """``text`` without any key that is in ``environment``: a provider may say back what it was sent."""
    for name, value in environment.items():
        if name.endswith(SECRET_ENDINGS) and value:
            text = text.replace(value, f"({name})")
    return text


class Hearing:
    """Passes a stream's events on to a listener, with offsets."""

    def __init__(self, listener: ModelListener) -> None:
        self.began = False
        self._listener = listener
        self._text = 0
        self._reasoning = 0
        self._calls: dict[int, tuple[str, str, int]] = {}

    def take(self, event: object) -> None:
        self.began = True
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

    def _take_arguments(self, index: int, arguments: Any) -> None:
        """Some providers send the arguments as a whole, and then not as text."""
        text = json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, dict) else arguments
        if text and index in self._calls:
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
        sentence = hide_secrets(f"The model {provider}:{name} cannot be used: {error}", environment)
        raise ModelChoiceError(sentence, code="bad_model_name") from error
    return model


def _provider_options(kind: Provider, model: str, environment: Mapping[str, str]) -> dict[str, Any]:
    if kind.others == AWS_VARIABLES:
        assert kind.client
        return {"bedrock_client": resolve_name(kind.client)(model, environment)}
    # The libraries insist on a key, so where there is none a word is sent.
    key = find_key(kind, model, environment) or "none"
    options = {"api_key": key, "base_url": find_address(kind, model, environment)}
    return {"openai_client": resolve_name(kind.client)(**options)} if kind.client else dict(options)


def find_key(kind: Provider, model: str, environment: Mapping[str, str]) -> str | None:
    """Raises `ModelError` (``no_model_key``) where the provider needs one."""
    names = kind.keys or kind.others
    key = next((environment[name] for name in names if environment.get(name)), None)
    if key is None and kind.keys:
        raise ModelChoiceError(f"The model {model} needs the variable {' or '.join(kind.keys)}.", code="no_model_key")
    return key


def find_address(kind: Provider, model: str, environment: Mapping[str, str]) -> str:
    """Raises `ModelError` (``no_model_key``) where there is no usual one."""
    assert kind.url
    url = environment.get(kind.url) or kind.default_url
    if not url:
        raise ModelChoiceError(f"The model {model} needs its address in {kind.url}.", code="no_model_key")
    return url
