"""Providers, asked over real HTTP at a server that speaks their format."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from notes import Notes, make_call
from provider_server import ProviderServer, chat, failure, open_provider_server, stream
from vgproject.config import load_config
from vgproject.errors import ModelError
from vgproject.llm.llm import Llm, LlmSettings
from vgproject.llm.providers import PROVIDERS

KEY = "sk-very-secret"
SETTINGS = LlmSettings(first_delay_seconds=0.001, longest_delay_seconds=0.01, timeout_seconds=2, silence_seconds=2)
CHAT_PROVIDERS = {
    "openai-compatible": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "deepseek": ("DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL"),
    "openrouter": ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"),
    "groq": ("GROQ_API_KEY", "GROQ_BASE_URL"),
    "ollama": ("OPENAI_API_KEY", "OLLAMA_BASE_URL"),
}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": '{"path"'}}
REST = {"index": 0, "function": {"arguments": ': "a.py"}'}}
REPLY = stream(
    chat({"role": "assistant", "content": "Hel"}),
    chat({"content": "lo"}),
    chat({"tool_calls": [CALL]}),
    chat({"tool_calls": [REST]}),
    chat({}, finish="tool_calls", usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}),
)


def compatible(server: ProviderServer, settings: LlmSettings = SETTINGS) -> Llm:
    return Llm(settings, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}, chance=lambda: 0.0)


@pytest.mark.parametrize("provider", CHAT_PROVIDERS)
async def test_text_and_tool_arguments_are_heard_with_their_offsets(provider: str) -> None:
    key, url = CHAT_PROVIDERS[provider]
    notes = Notes()
    async with open_provider_server(REPLY) as server:
        llm = Llm(SETTINGS, {key: KEY, url: server.url})
        reply = await llm.request(make_call(f"{provider}:maker/some-model"), notes)
    assert notes.heard == [
        ("text", "Hel", 0),
        ("text", "lo", 3),
        ("read_file", '{"path"', 0),
        ("read_file", ': "a.py"}', 7),
    ]
    assert [(call.tool_name, call.args_as_dict()) for call in reply.response.tool_calls] == [
        ("read_file", {"path": "a.py"})
    ]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (10, 5)
    assert reply.usage.cost_usd == (0.0 if provider == "ollama" else None)


async def test_too_many_requests_failures_and_a_cut_stream_are_tried_again() -> None:
    notes = Notes()
    cut = stream(chat({"role": "assistant", "content": "Half"}), cut=True)
    async with open_provider_server(failure(429), failure(503), cut, REPLY) as server:
        await compatible(server).request(make_call("openai-compatible:some-model"), notes)
    assert [attempt for attempt, _, _ in notes.retries] == [1, 2, 3]
    assert "429" in notes.retries[0][2]
    assert "503" in notes.retries[1][2]


@pytest.mark.parametrize("wish", ["7", "Tue, 24 Nov 2026 12:00:07 GMT"])
async def test_the_wait_is_what_the_provider_wishes(wish: str) -> None:
    notes = Notes()
    settings = SETTINGS.model_copy(update={"attempts": 2, "longest_delay_seconds": 60})

    class StopWaitingError(Exception):
        pass

    async def on_retry(attempt: int, delay_ms: int, reason: str) -> None:
        raise StopWaitingError(delay_ms)

    notes.on_retry = on_retry  # type: ignore[method-assign]
    async with open_provider_server(failure(429, Retry_After=wish)) as server:
        environment = {"OPENAI_BASE_URL": server.url}
        now = datetime(2026, 11, 24, 12, tzinfo=UTC)
        llm = Llm(settings, environment, now=lambda: now, chance=lambda: 0.0)
        with pytest.raises(StopWaitingError, match="7000"):
            await llm.request(make_call("openai-compatible:some-model"), notes)


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refused_call_is_not_repeated_and_its_reason_hides_the_key(status: int) -> None:
    notes = Notes()
    async with open_provider_server(failure(status, message=f"bad {KEY}")) as server:
        with pytest.raises(ModelError) as raised:
            await compatible(server).request(make_call("openai-compatible:some-model"), notes)
        assert len(server.requests) == 1
    assert raised.value.code == "model_refused"
    assert str(status) in raised.value.message
    assert KEY not in raised.value.message
    assert notes.retries == []


async def test_the_next_model_of_a_chain_is_asked_when_one_fails_for_good() -> None:
    notes = Notes()
    async with open_provider_server(failure(401), REPLY) as server:
        chain = "openai-compatible:first, openai-compatible:second"
        reply = await compatible(server).request(make_call(chain), notes)
    assert notes.fallbacks == [("openai-compatible:first", "openai-compatible:second")]
    assert reply.model == "openai-compatible:second"


async def test_an_address_where_nobody_answers_is_an_error_that_may_pass() -> None:
    async with open_provider_server() as server:
        pass
    with pytest.raises(ModelError) as raised:
        await compatible(server).request(make_call("openai-compatible:some-model"), Notes())
    assert (raised.value.code, raised.value.retryable) == ("model_unreachable", True)


@pytest.mark.parametrize("name", ["anthropic", "openai", "google", "openrouter", "groq", "deepseek"])
def test_a_missing_key_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=r"needs the variable \w+_API_KEY"):
        Llm(SETTINGS, {}).check(f"{name}:some-model")


def test_a_name_that_the_provider_cannot_have_is_told_before_any_call() -> None:
    with pytest.raises(ModelError, match="must be prefixed with the upstream provider") as raised:
        Llm(SETTINGS, {"OPENROUTER_API_KEY": KEY}).check("openrouter:some-model")
    assert raised.value.code == "bad_model_name"


@pytest.mark.parametrize("key", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_googles_key_has_two_names(key: str) -> None:
    llm = Llm(SETTINGS, {key: KEY})
    llm.check("google:gemini-2.5-flash")
    assert llm.default_model().startswith("google:")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "needs the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."),
        (
            {"AWS_ACCESS_KEY_ID": "a"},
            "needs the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        ),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "needs its region in AWS_REGION."),
        ({"AWS_PROFILE": "nobody"}, "(nobody) could not be found"),
    ],
)
def test_what_bedrock_lacks_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ModelError) as raised:
        Llm(SETTINGS, environment).check("bedrock:amazon.nova-lite-v1:0")
    assert sentence in raised.value.message
    assert raised.value.code == "no_model_key"


@pytest.mark.parametrize("region", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_bedrocks_region_has_two_names(region: str) -> None:
    Llm(SETTINGS, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", region: "eu-west-1"}).check("bedrock:x")


async def test_a_local_model_is_sent_no_key() -> None:
    async with open_provider_server(REPLY) as server:
        llm = Llm(SETTINGS, {"OPENAI_API_KEY": KEY, "OLLAMA_BASE_URL": server.url})
        await llm.request(make_call("ollama:some-model"), Notes())
    assert KEY not in server.requests[0]


def test_the_providers_variables_are_handed_on_and_their_values_are_not_shown(tmp_path: Path) -> None:
    names = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "GOOGLE_API_KEY", "OPENAI_API_KEY"]
    loaded = load_config({"home": tmp_path, "project": tmp_path}, dict.fromkeys(names, KEY))
    assert loaded.provider_environment == dict.fromkeys(names, KEY)
    assert KEY not in repr(loaded)


def test_the_docs_name_every_provider_and_every_variable() -> None:
    text = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    for name, provider in PROVIDERS.items():
        assert f"`{name}`" in text
        assert [variable for variable in provider.variables if f"`{variable}`" not in text] == []
