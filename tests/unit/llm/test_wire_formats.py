"""Each provider's own format, byte for byte: what is heard, what it costs, and all the ways in which it breaks off."""

import logging
import socket

import pytest

from notes import Notes, make_call
from provider_formats import ARGUMENTS, FORMATS, KEY, Format
from provider_server import Answer, Held, chunked, echo, failure, open_provider_server
from vgproject.errors import ModelError
from vgproject.llm.base import ModelReply
from vgproject.llm.llm import Llm, LlmSettings

SETTINGS = LlmSettings(first_delay_seconds=0, timeout_seconds=5, silence_seconds=5, attempts=2)
EACH = pytest.mark.parametrize("provider", FORMATS)


async def ask(provider: str, *answers: Answer, notes: Notes, settings: LlmSettings = SETTINGS) -> ModelReply:
    form = FORMATS[provider]
    async with open_provider_server(*answers) as server:
        llm = Llm(settings, form.environment(server.url))
        reply = await llm.request(make_call(f"{provider}:{form.model}"), notes)
        assert all(form.secret_header.lower() in request.lower() for request in server.requests)
    return reply


def heard_of(form: Format) -> list[tuple[str, str, int]]:
    arguments = ["".join(ARGUMENTS)] if form.whole_arguments else ARGUMENTS
    offsets = [0, len(arguments[0])]
    return [
        *([("reasoning", "Hm", 0)] if form.reasons else []),
        ("text", "Hel", 0),
        ("text", "lo", 3),
        *(("read_file", text, offset) for text, offset in zip(arguments, offsets, strict=False)),
    ]


@EACH
async def test_a_reply_is_heard_piece_by_piece_and_counted(provider: str) -> None:
    form, notes = FORMATS[provider], Notes()
    reply = await ask(provider, form.reply(), notes=notes)
    assert notes.heard == heard_of(form)
    assert reply.response.text == "Hello"
    assert [(call.tool_call_id, call.tool_name, call.args_as_dict()) for call in reply.response.tool_calls] == [
        ("call_1", "read_file", {"path": "a.py"})
    ]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1000, 100)
    assert reply.usage.cost_usd == (None if form.cost_usd is None else pytest.approx(form.cost_usd))
    assert notes.retries == []


@EACH
@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_busy_provider_is_asked_again(provider: str, status: int) -> None:
    notes = Notes()
    await ask(provider, failure(status), FORMATS[provider].reply(), notes=notes)
    assert [reason for _, _, reason in notes.retries] == [f"{provider}:{FORMATS[provider].model} answered {status}."]
    assert notes.heard == heard_of(FORMATS[provider])


@EACH
async def test_a_stream_that_is_cut_is_asked_for_again_from_its_beginning(provider: str) -> None:
    form, notes = FORMATS[provider], Notes()
    await ask(provider, form.reply(cut=True, events=-2), form.reply(), notes=notes)
    assert [attempt for attempt, _, _ in notes.retries] == [1]
    assert notes.heard_after_retry == heard_of(form)


@EACH
async def test_a_stream_that_ends_cleanly_but_too_early_is_asked_for_again(provider: str) -> None:
    form, notes = FORMATS[provider], Notes()
    await ask(provider, form.reply(events=-2), form.reply(), notes=notes)
    assert [attempt for attempt, _, _ in notes.retries] == [1]
    assert notes.heard_after_retry == heard_of(form)


@EACH
async def test_silence_between_two_tokens_has_an_end(provider: str) -> None:
    form, notes = FORMATS[provider], Notes()
    settings = SETTINGS.model_copy(update={"silence_seconds": 0.2})
    await ask(provider, Held(form.reply(cut=True, events=-2)), form.reply(), notes=notes, settings=settings)
    assert [reason for _, _, reason in notes.retries] == [f"{provider}:{form.model} said nothing for 0.2 seconds."]
    assert notes.heard_after_retry == heard_of(form)


@EACH
@pytest.mark.parametrize("heads", [False, True])
async def test_waiting_for_the_first_token_has_an_end(provider: str, heads: bool) -> None:
    notes = Notes()
    settings = SETTINGS.model_copy(update={"timeout_seconds": 0.3})
    silent = Held(chunked("text/event-stream", cut=True) if heads else b"")
    with pytest.raises(ModelError) as raised:
        await ask(provider, silent, silent, notes=notes, settings=settings)
    assert raised.value.retryable
    assert [attempt for attempt, _, _ in notes.retries] == [1]
    assert notes.heard == []


@EACH
async def test_waiting_for_a_connection_has_an_end(provider: str) -> None:
    form = FORMATS[provider]
    settings = SETTINGS.model_copy(update={"timeout_seconds": 0.3, "attempts": 1})
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with pytest.raises(ModelError) as raised:
            await Llm(settings, form.environment(url)).request(make_call(f"{provider}:{form.model}"), Notes())
    assert raised.value.retryable


@EACH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_a_provider_that_says_back_what_it_was_sent_does_not_make_us_tell_the_key(
    provider: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    notes = Notes()
    settings = SETTINGS.model_copy(update={"attempts": 2 if status in (429, 500) else 1})
    with pytest.raises(ModelError) as raised:
        await ask(provider, echo(status), echo(status), notes=notes, settings=settings)
    assert str(status) in raised.value.message
    for secret in (KEY, "AKIA0123456789"):
        assert secret not in f"{raised.value.message} {raised.value!r} {raised.value.details} {notes.retries}"
        assert secret not in caplog.text
