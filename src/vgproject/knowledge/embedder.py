"""What turns texts into vectors of their meaning. The models that do it are in `vgproject.llm.embeddings`."""

from collections.abc import Sequence
from typing import Protocol


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """Of the model: vectors of two names cannot be compared, so it is stored beside each."""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text, in their order: unit length, little-endian float32, all equally long.

        Of a text that is too long for the model the beginning counts. Raises `ModelError`.
        """

    async def close(self) -> None:
        """Waits for what is being computed. Nothing can be embedded afterwards."""
