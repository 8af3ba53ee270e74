"""Embeddings of a server: OpenAI's format at any address, or Ollama's own."""

import asyncio
import logging
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import httpx
from pydantic import BaseModel, ValidationError

from vgproject.errors import ModelError
from vgproject.llm.embeddings.texts import clean_text
from vgproject.llm.providers import PROVIDERS, find_address, find_key, hide_secrets, http_error
from vgproject.llm.retries import Retries
from vgproject.utils.text import shorten

BATCH = 64
"""Texts in a call: providers bound a call's tokens too, and a local server takes seconds for as many."""

logger = logging.getLogger(__name__)


class OpenAiVector(BaseModel):
    index: int
    embedding: list[float]


class OpenAiAnswer(BaseModel):
    data: list[OpenAiVector]


class OllamaAnswer(BaseModel):
    embeddings: list[list[float]]


def read_openai(body: bytes) -> list[list[float]]:
    """In the order of the texts, which the answer need not have."""
    vectors = sorted(OpenAiAnswer.model_validate_json(body).data, key=lambda vector: vector.index)
    if [vector.index for vector in vectors] != list(range(len(vectors))):
        raise ValueError("the numbers of its vectors are not those of the texts")
    return [vector.embedding for vector in vectors]


def read_ollama(body: bytes) -> list[list[float]]:
    return OllamaAnswer.model_validate_json(body).embeddings


@dataclass(frozen=True)
class Format:
    """``read`` raises `ValueError` where the body is not an answer."""

    path: str
    read: Callable[[bytes], list[list[float]]]


OPENAI = Format("/embeddings", read_openai)
FORMATS: dict[str, Format] = {
    "openai": OPENAI,
    "openai-compatible": OPENAI,
    "ollama": Format("/api/embed", read_ollama),
}
"""By provider."""


class EndpointEmbedder:
    def __init__(
        self, provider: str, model: str, environment: Mapping[str, str], *, retries: Retries, timeout_seconds: float
    ) -> None:
        """Raises `ModelError` (``no_model_key``) where the key or the address is not in ``environment``."""
        self.name = f"{provider}:{model}"
        self._provider = provider
        self._model = model
        self._environment = environment
        self._format = FORMATS[provider]
        self._url = _address(provider, self.name, environment) + self._format.path
        self._key = find_key(PROVIDERS[provider], self.name, environment)
        self._retries = retries
        self._timeout_seconds = timeout_seconds
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._dimensions: int | None = None

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        vectors: list[bytes] = []
        for start in range(0, len(texts), BATCH):
            batch = [clean_text(text) for text in texts[start : start + BATCH]]
            vectors += await self._retries.run(partial(self._request, batch), self._on_retry)
        return vectors

    async def close(self) -> None:
        if self._client:
            await self._client.aclose()

    async def _on_retry(self, attempt: int, delay_ms: int, reason: str) -> None:
        logger.info("attempt %d for embeddings failed, the next is in %d ms: %s", attempt, delay_ms, reason)

    async def _request(self, texts: Sequence[str], attempt: int) -> list[bytes]:
        client = await self._open_client()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._post(client, texts)
        except TimeoutError as error:
            raise ModelError(
                f"{self.name} did not answer within {self._timeout_seconds:g} seconds.",
                code="model_timeout",
                retryable=True,
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ModelError(
                self._hide(f"{self.name} broke off: {error}"), code="model_unreachable", retryable=True
            ) from error
        if response.status_code != httpx.codes.OK:
            raise self._failure(response)
        return self._vectors(response.content, len(texts))

    async def _post(self, client: httpx.AsyncClient, texts: Sequence[str]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return await client.post(self._url, json={"model": self._model, "input": texts}, headers=headers)

    async def _open_client(self) -> httpx.AsyncClient:
        """In a thread, since it loads the certificates; and not before somebody asks."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(httpx.AsyncClient, timeout=None)
            return self._client

    def _failure(self, response: httpx.Response) -> ModelError:
        return http_error(
            self._provider,
            self.name,
            response.status_code,
            shorten(self._hide(response.text), 500),
            retry_after=response.headers.get("retry-after"),
            environment=self._environment,
        )

    def _vectors(self, body: bytes, count: int) -> list[bytes]:
        """Checked, as a server may answer anything."""
        try:
            vectors = [unit_vector(vector) for vector in self._format.read(body)]
        except ValidationError as error:
            first = error.errors()[0]
            raise self._nonsense(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        except ValueError as error:
            raise self._nonsense(str(error)) from error
        if len(vectors) != count:
            raise self._nonsense(f"it has {len(vectors)} vectors for {count} texts")
        lengths = {len(vector) // 4 for vector in vectors} | ({self._dimensions} if self._dimensions else set())
        if len(lengths) != 1:
            raise self._nonsense(f"its vectors have {' and '.join(map(str, sorted(lengths)))} dimensions")
        self._dimensions = lengths.pop()
        return vectors

    def _nonsense(self, reason: str) -> ModelError:
        return ModelError(self._hide(f"The answer of {self.name} cannot be used as embeddings: {reason}."))

    def _hide(self, text: str) -> str:
        return hide_secrets(text, self._environment)


def unit_vector(numbers: Sequence[float]) -> bytes:
    """Raises `ValueError` for one without a direction."""
    length = math.hypot(*numbers)
    if not 0 < length < math.inf:
        raise ValueError("a vector has no direction")
    return struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers))


def _address(provider: str, model: str, environment: Mapping[str, str]) -> str:
    """Ollama's own format is beside the one for chats."""
    address = find_address(PROVIDERS[provider], model, environment).rstrip("/")
    return address.removesuffix("/v1") if provider == "ollama" else address
