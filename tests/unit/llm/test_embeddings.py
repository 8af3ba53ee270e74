"""The real model on this machine, and which embeddings a name chooses."""

import asyncio
import os
import struct
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vgproject.errors import ConfigError, ModelError
from vgproject.knowledge.embedder import Embedder
from vgproject.llm.embeddings.choice import create_embedder
from vgproject.llm.embeddings.endpoint import FORMATS
from vgproject.llm.embeddings.minilm import BATCH, PACKAGES, TOKENIZER, WEIGHTS, MiniLmEmbedder
from vgproject.llm.embeddings.packaged_file import PackagedFile
from vgproject.llm.llm import LlmSettings

SOURCE = Path(__file__).parents[3] / "src"
SETTINGS = LlmSettings()
TEXTS = ["", "Tests are run with make check.", "x = 1\n" * 50, "Grüße, 世界 🎉", "lone \ud800 half"]


@pytest.fixture
async def minilm() -> AsyncIterator[Embedder]:
    embedder = create_embedder("minilm", {}, SETTINGS)
    assert embedder
    yield embedder
    await embedder.close()


def floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack("<384f", vector)


def likeness(one: bytes, other: bytes) -> float:
    return sum(a * b for a, b in zip(floats(one), floats(other), strict=True))


@pytest.mark.parametrize(
    ("question", "near", "far"),
    [
        ("How are the tests run?", "The test suite is started with make check.", "The logo is blue."),
        ("Where do passwords live?", "Credentials are kept in the vault.", "Lists are sorted by date."),
        ("Which database is used?", "Rows are stored in PostgreSQL.", "The button has round corners."),
    ],
)
async def test_a_text_is_nearer_to_what_means_the_same_than_to_what_does_not(
    minilm: Embedder, question: str, near: str, far: str
) -> None:
    asked, meant, other = await minilm.embed([question, near, far])
    assert likeness(asked, meant) > likeness(asked, other) + 0.1


async def test_vectors_have_unit_length(minilm: Embedder) -> None:
    vectors = await minilm.embed(TEXTS)
    assert [likeness(vector, vector) for vector in vectors] == [pytest.approx(1, abs=1e-5)] * len(TEXTS)


async def test_a_vector_is_the_same_alone_among_others_and_from_another_start(minilm: Embedder) -> None:
    texts = TEXTS * (2 * BATCH // len(TEXTS) + 1)
    together = await minilm.embed(texts)
    alone = [(await minilm.embed([text]))[0] for text in texts]
    again = MiniLmEmbedder()
    assert together == alone == await again.embed(texts)
    assert again.name == minilm.name
    await again.close()


async def test_of_a_long_text_the_beginning_counts(minilm: Embedder) -> None:
    start = "one two three four " * 100
    first, second, other = await minilm.embed([start + "apples", start + "pears", "five " + start])
    assert first == second != other


async def test_the_event_loop_goes_on_while_the_model_is_loaded_and_works(minilm: Embedder) -> None:
    embedding = asyncio.create_task(minilm.embed(["some long text " * 200] * 4))
    turns = 0
    while not embedding.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await embedding) == 4
    assert turns > 100


async def test_who_gives_up_does_not_stop_the_others(minilm: Embedder) -> None:
    given_up = asyncio.create_task(minilm.embed(["some long text " * 200] * 3 * BATCH))
    other = asyncio.create_task(minilm.embed(["a"]))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await other == await minilm.embed(["a"])
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_of_the_packages_with_the_models_files_no_code_is_run(minilm: Embedder) -> None:
    await minilm.embed(["a"])
    assert "onnxruntime" in sys.modules
    assert {WEIGHTS.package, TOKENIZER.package} & set(sys.modules) == set()


def test_the_name_says_which_weights_it_stands_for() -> None:
    assert MiniLmEmbedder.name.endswith(f"@{WEIGHTS.sha256[:8]}")


def test_another_file_is_not_taken_for_the_models() -> None:
    other = PackagedFile(TOKENIZER.package, TOKENIZER.path, WEIGHTS.sha256)
    with pytest.raises(ModelError, match=r"tokenizer\.json is not the file of the model of embeddings"):
        other.find()
    with pytest.raises(ModelError, match=r"cannot be read: .*No such file"):
        PackagedFile(TOKENIZER.package, "gone.json", "").find()
    with pytest.raises(ModelError, match=r"The package 'no_such_package'.* is not installed\."):
        PackagedFile("no_such_package", "model.onnx", "").find()


async def test_auto_is_the_model_on_this_machine_and_none_is_none() -> None:
    embedder = create_embedder("auto", {}, SETTINGS)
    assert isinstance(embedder, MiniLmEmbedder)
    await embedder.close()
    assert create_embedder("none", {}, SETTINGS) is None


@pytest.mark.parametrize("name", ["", "openai", "openai:", "anthropic:some-model", "minilm:x", "/dev/null"])
def test_a_name_that_means_nothing_is_told_with_those_that_do(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        create_embedder(name, {}, SETTINGS)
    assert raised.value.message == (
        f"{name!r} names no embeddings: it must be auto, none, minilm,"
        " or PROVIDER:NAME with one of openai, openai-compatible, ollama."
    )


def test_the_docs_name_all_that_can_be_chosen() -> None:
    text = (SOURCE.parent / "docs" / "models.md").read_text()
    names = ["`auto`", "`none`", "`minilm`", *(f"`{provider}:NAME`" for provider in FORMATS)]
    assert [name for name in names if name not in text] == []


CHOOSE = """
import sys
from vgproject.errors import ConfigError
from vgproject.llm.embeddings.choice import create_embedder
from vgproject.llm.llm import LlmSettings

print(create_embedder("auto", {}, LlmSettings()))
try:
    create_embedder("minilm", {}, LlmSettings())
except ConfigError as error:
    print(error.message)
"""


def installed_without(packages: set[str], directory: Path) -> dict[str, str]:
    """The environment of a Python that has all that is installed here but these."""
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and path.name not in packages:
            (directory / path.name).symlink_to(path)
    return {"PYTHONPATH": f"{directory}{os.pathsep}{SOURCE}"}


@pytest.mark.parametrize("packages", [set(PACKAGES), {"onnxruntime"}])
def test_without_the_extra_there_are_no_embeddings_and_who_wants_them_is_told_what_to_install(
    packages: set[str], tmp_path: Path
) -> None:
    environment = installed_without(packages, tmp_path)
    run = subprocess.run(
        [sys.executable, "-S", "-c", CHOOSE], env=environment, capture_output=True, text=True, check=False
    )
    missing = ", ".join(package for package in PACKAGES if package in packages)
    assert (run.stdout.splitlines(), run.stderr) == (
        [
            "None",
            f"The embeddings 'minilm' need packages that are not installed ({missing}):"
            " install vgproject with its extra, 'vgproject[embeddings]'.",
        ],
        "",
    )
