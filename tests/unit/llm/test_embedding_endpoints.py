"""Embeddings of servers, over real HTTP."""

import asyncio
import math
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from provider_server import Answer, Held, ProviderServer, failure, head, json_answer, open_provider_server
from vgproject.errors import ModelError
from vgproject.knowledge.embedder import Embedder
from vgproject.llm.embeddings.choice import create_embedder
from vgproject.llm.embeddings.endpoint import BATCH
from vgproject.llm.embeddings.texts import LONGEST_TEXT
from vgproject.llm.llm import LlmSettings

KEY = "sk-very-secret"
SETTINGS = LlmSettings(first_delay_seconds=0.001, longest_delay_seconds=0.01, timeout_seconds=2)
PROVIDERS = ["openai", "openai-compatible", "ollama"]


def endpoint(provider: str, server: ProviderServer, **settings: Any) -> Embedder:
    url = f"{server.url}/v1"
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "OLLAMA_BASE_URL": url}
    embedder = create_embedder(f"{provider}:maker/some-model", environment, SETTINGS.model_copy(update=settings))
    assert embedder
    return embedder


def vectors(provider: str, *numbers: list[float]) -> bytes:
    if provider == "ollama":
        return json_answer({"model": "some-model", "embeddings": numbers})
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(numbers)]
    return json_answer({"object": "list", "data": data, "model": "some-model", "usage": {}})


def floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))


async def error_of(provider: str, *answers: Answer, texts: tuple[str, ...] = ("a", "b"), **settings: Any) -> ModelError:
    async with open_provider_server(*answers) as server:
        embedder = endpoint(provider, server, **settings)
        with pytest.raises(ModelError) as raised:
            await embedder.embed(texts)
        await embedder.close()
    assert server.answers == []
    return raised.value


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_each_text_gets_a_vector_of_unit_length(provider: str) -> None:
    async with open_provider_server(vectors(provider, [3.0, 4.0], [0.0, -2.0])) as server:
        embedder = endpoint(provider, server)
        assert [floats(vector) for vector in await embedder.embed(["a", "b"])] == [
            pytest.approx([0.6, 0.8]),
            pytest.approx([0.0, -1.0]),
        ]
        await embedder.close()
    assert embedder.name == f"{provider}:maker/some-model"
    assert server.bodies == [{"model": "maker/some-model", "input": ["a", "b"]}]


@pytest.mark.parametrize(
    ("provider", "line", "has_key"),
    [
        ("openai", "POST /v1/embeddings HTTP/1.1", True),
        ("openai-compatible", "POST /v1/embeddings HTTP/1.1", True),
        ("ollama", "POST /api/embed HTTP/1.1", False),
    ],
)
async def test_the_address_is_that_of_the_format_and_only_who_needs_the_key_gets_it(
    provider: str, line: str, has_key: bool
) -> None:
    async with open_provider_server(vectors(provider, [1.0])) as server:
        embedder = endpoint(provider, server)
        await embedder.embed(["a"])
        await embedder.close()
    assert server.requests[0].splitlines()[0] == line
    assert (f"authorization: bearer {KEY}" in server.requests[0].lower()) is has_key


async def test_a_compatible_server_without_a_key_is_sent_none() -> None:
    async with open_provider_server(vectors("openai-compatible", [1.0])) as server:
        embedder = create_embedder("openai-compatible:m", {"OPENAI_BASE_URL": server.url}, SETTINGS)
        assert embedder
        await embedder.embed(["a"])
        await embedder.close()
    assert "authorization:" not in server.requests[0].lower()


async def test_the_order_is_that_of_the_texts_whatever_the_order_of_the_answer() -> None:
    data = [{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}]
    async with open_provider_server(json_answer({"data": data})) as server:
        embedder = endpoint("openai", server)
        assert [floats(vector) for vector in await embedder.embed(["a", "b"])] == [[1.0, 0.0], [0.0, 1.0]]
        await embedder.close()


async def test_many_texts_go_in_several_calls_and_none_is_no_call() -> None:
    answers = [vectors("ollama", *([[1.0, 0.0]] * BATCH)), vectors("ollama", [0.0, 1.0])]
    async with open_provider_server(*answers) as server:
        embedder = endpoint("ollama", server)
        texts = [str(number) for number in range(BATCH + 1)]
        result = [floats(vector) for vector in await embedder.embed(texts)]
        assert await embedder.embed([]) == []
        await embedder.close()
    assert result == [[1.0, 0.0]] * BATCH + [[0.0, 1.0]]
    assert [body["input"] for body in server.bodies] == [texts[:BATCH], texts[BATCH:]]


async def test_a_text_is_made_such_that_a_server_takes_it() -> None:
    async with open_provider_server(vectors("openai", [1.0], [1.0], [1.0])) as server:
        embedder = endpoint("openai", server)
        await embedder.embed(["", "a" * (LONGEST_TEXT + 1), "half \ud83d"])
        await embedder.close()
    assert server.bodies[0]["input"] == [" ", "a" * LONGEST_TEXT, "half ?"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_server_that_is_busy_or_breaks_off_is_asked_again(provider: str) -> None:
    cut = head("application/json", 100) + b"{"
    async with open_provider_server(failure(429), failure(503), cut, vectors(provider, [1.0])) as server:
        embedder = endpoint(provider, server)
        assert [floats(vector) for vector in await embedder.embed(["a"])] == [[1.0]]
        await embedder.close()
    assert len(server.requests) == 4


async def test_a_server_that_stays_busy_is_an_error_that_may_pass() -> None:
    error = await error_of("openai", failure(500), failure(500), attempts=2)
    assert (error.message, error.code, error.retryable) == (
        "openai:maker/some-model answered 500.",
        "model_unreachable",
        True,
    )


async def test_a_server_that_says_nothing_is_not_waited_for_without_end() -> None:
    async with open_provider_server(Held(b"")) as server:
        embedder = endpoint("ollama", server, attempts=1, timeout_seconds=0.05)
        with pytest.raises(ModelError) as raised:
            await embedder.embed(["a"])
        await embedder.close()
    assert (raised.value.message, raised.value.code, raised.value.retryable) == (
        "ollama:maker/some-model did not answer within 0.05 seconds.",
        "model_timeout",
        True,
    )


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refusal_is_not_repeated_and_does_not_say_the_key(status: int) -> None:
    error = await error_of("openai", failure(status, message=f"bad {KEY}"))
    assert error.code == "model_refused"
    assert str(status) in error.message
    assert KEY not in error.message


async def test_an_address_where_nobody_answers_is_an_error_that_may_pass() -> None:
    async with open_provider_server() as server:
        pass
    embedder = endpoint("ollama", server)
    with pytest.raises(ModelError) as raised:
        await embedder.embed(["a"])
    await embedder.close()
    assert (raised.value.code, raised.value.retryable) == ("model_unreachable", True)


@pytest.mark.parametrize(
    ("provider", "answer", "reason"),
    [
        ("openai", b"<html>", "Invalid JSON"),
        ("openai", {"embeddings": [[1.0], [1.0]]}, "data: Field required"),
        ("ollama", {"embeddings": [[1.0], ["x"]]}, "embeddings.1.0: Input should be a valid number"),
        ("ollama", {"embeddings": [[1.0]]}, "it has 1 vectors for 2 texts"),
        ("ollama", {"embeddings": [[1.0], [1.0, 2.0]]}, "its vectors have 1 and 2 dimensions"),
        ("ollama", {"embeddings": [[1.0], []]}, "a vector has no direction"),
        ("ollama", {"embeddings": [[0.0], [1.0]]}, "a vector has no direction"),
        ("ollama", {"embeddings": [[math.nan], [1.0]]}, "a vector has no direction"),
        (
            "openai",
            {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
            "the numbers of its vectors are not those of the texts",
        ),
    ],
)
async def test_an_answer_that_is_not_right_is_refused_with_what_is_wrong(
    provider: str, answer: bytes | Mapping[str, Any], reason: str
) -> None:
    content = head("text/html", len(answer)) + answer if isinstance(answer, bytes) else json_answer(answer)
    error = await error_of(provider, content)
    assert error.message.startswith(f"The answer of {provider}:maker/some-model cannot be used as embeddings: ")
    assert reason in error.message
    assert (error.code, error.retryable) == ("model_error", False)


async def test_dimensions_do_not_change_from_one_call_to_the_next() -> None:
    async with open_provider_server(vectors("ollama", [1.0]), vectors("ollama", [1.0, 0.0])) as server:
        embedder = endpoint("ollama", server)
        await embedder.embed(["a"])
        with pytest.raises(ModelError, match="its vectors have 1 and 2 dimensions"):
            await embedder.embed(["a"])
        await embedder.close()


async def test_several_may_ask_at_the_same_time() -> None:
    async with open_provider_server(*[vectors("ollama", [1.0])] * 3) as server:
        embedder = endpoint("ollama", server)
        results = await asyncio.gather(*(embedder.embed(["a"]) for _ in range(3)))
        await embedder.close()
    assert [[floats(vector) for vector in result] for result in results] == [[[1.0]]] * 3


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("openai:some-model", "The model openai:some-model needs the variable OPENAI_API_KEY."),
        (
            "openai-compatible:some-model",
            "The model openai-compatible:some-model needs its address in OPENAI_BASE_URL.",
        ),
    ],
)
def test_what_is_missing_is_named_at_once(name: str, sentence: str) -> None:
    with pytest.raises(ModelError) as raised:
        create_embedder(name, {}, SETTINGS)
    assert (raised.value.message, raised.value.code) == (sentence, "no_model_key")
