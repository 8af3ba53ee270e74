"""Language models by name: chosen, asked, asked again, and replaced by the next of a chain."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from vgproject.errors import ModelChoiceError, ModelError
from vgproject.llm.base import Backend, ModelCall, ModelListener, ModelReply
from vgproject.llm.providers import PROVIDERS, ProviderBackend, build_model
from vgproject.llm.retries import Retries
from vgproject.llm.scripted import ScriptedBackend, load_script
from vgproject.schema.events import Usage
from vgproject.telemetry.spans import NO_SPANS, Spans
from vgproject.utils.clock import Clock, utc_now

NAMES = (*PROVIDERS, "scripted")


class LlmSettings(BaseModel):
    """``[llm]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(default=4, ge=1)
    """How often one model is asked before the next of the chain, or the phase's failure."""
    first_delay_seconds: float = Field(default=1.0, ge=0)
    """The wait before the second attempt; it doubles each time."""
    longest_delay_seconds: float = Field(default=30.0, ge=0)
    timeout_seconds: float = Field(default=120.0, gt=0)
    """For the connection and the first token."""
    silence_seconds: float = Field(default=90.0, gt=0)
    """Between two tokens."""

    def retries(self, now: Clock, chance: Callable[[], float]) -> Retries:
        return Retries(self.attempts, self.first_delay_seconds, self.longest_delay_seconds, now, chance)


def parse_name(name: str) -> tuple[str, str]:
    """Provider and model. Raises `ModelError` (``bad_model_name``)."""
    provider, colon, model = name.partition(":")
    if not colon or not model or provider not in NAMES:
        raise ModelChoiceError(
            f"{name!r} names no model: it must be PROVIDER:NAME, with one of {', '.join(NAMES)}.", code="bad_model_name"
        )
    return provider, model


class Llm:
    def __init__(
        self,
        settings: LlmSettings,
        environment: Mapping[str, str],
        *,
        now: Clock = utc_now,
        chance: Callable[[], float] = random.random,
        backends: Mapping[str, Backend] = MappingProxyType({}),
        spans: Spans = NO_SPANS,
    ) -> None:
        """``environment`` holds the providers' variables, as ``ANTHROPIC_API_KEY``; ``chance`` is from 0 to 1.

        ``backends`` are models beside those of the providers, by name; no client can bring one in.
        """
        self._settings = settings
        self._retries = settings.retries(now, chance)
        self._environment = environment
        self._backends = dict(backends)
        self._spans = spans

    def default_model(self) -> str:
        """The first provider whose key is there. Raises `ModelError` (``no_model_key``)."""
        for name, provider in PROVIDERS.items():
            if provider.default_model and any(self._environment.get(key) for key in provider.keys):
                return f"{name}:{provider.default_model}"
        keys = ", ".join(key for provider in PROVIDERS.values() for key in provider.keys)
        raise ModelChoiceError(
            f"There is no model: none of {keys} is set. Set one, or use a local model with --model ollama:NAME"
            " or --model openai-compatible:NAME and OPENAI_BASE_URL.",
            code="no_model_key",
        )

    def check(self, chain: str) -> None:
        """Raises `ModelError` for a name that is wrong, a key that is missing, or a script that cannot be read."""
        for name in chain.split(","):
            provider, model = parse_name(name.strip())
            if provider == "scripted":
                load_script(Path(model))
            else:
                build_model(provider, model, self._environment)

    async def request(self, call: ModelCall, listener: ModelListener) -> ModelReply:
        """Raises `ModelError` when the last model of the chain has failed for good."""
        names = [name.strip() for name in call.model.split(",")]
        for name, following in zip(names, [*names[1:], None], strict=True):
            try:
                return await self._request(name, call, listener)
            except ModelError as error:
                if following is None:
                    raise
                await listener.on_fallback(name, following, error.message)
        raise AssertionError("a chain has at least one name")

    async def _request(self, name: str, call: ModelCall, listener: ModelListener) -> ModelReply:
        backend = self._backend(name)
        provider, _, model = name.partition(":")

        async def request(attempt: int) -> ModelReply:
            with self._spans.open("model call", {"provider": provider, "model": model, "attempt": attempt}) as span:
                reply = await backend.request(call, listener, attempt=attempt)
                span.attributes |= _figures(reply.usage)
                return reply

        return await self._retries.run(request, listener.on_retry)

    def _backend(self, name: str) -> Backend:
        if name not in self._backends:
            provider, model = parse_name(name)
            self._backends[name] = (
                ScriptedBackend(Path(model))
                if provider == "scripted"
                else ProviderBackend(
                    provider,
                    model,
                    self._environment,
                    timeout_seconds=self._settings.timeout_seconds,
                    silence_seconds=self._settings.silence_seconds,
                )
            )
        return self._backends[name]


def _figures(usage: Usage) -> dict[str, int | float]:
    figures: dict[str, int | float] = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return figures if usage.cost_usd is None else figures | {"cost_usd": usage.cost_usd}
