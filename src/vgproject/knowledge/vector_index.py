"""Vectors side by side in one matrix. Imported only with the first vector: numpy takes a while, and memory."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


class VectorIndex:
    """The vectors of one memory; later ones of the same entry take the place of earlier ones."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._ids: list[str] = []
        self._vectors: Matrix = np.empty((0, 0), np.float32)

    def add(self, memory_id: str, vector: bytes) -> None:
        values = np.frombuffer(vector, np.dtype("<f4"))
        place = self._places.setdefault(memory_id, len(self._ids))
        if place == len(self._ids):
            self._ids.append(memory_id)
        if place >= len(self._vectors):
            grown: Matrix = np.empty((max(64, 2 * place), len(values)), np.float32)
            if place:
                grown[:place] = self._vectors[:place]
            self._vectors = grown
        self._vectors[place] = values

    def nearest(self, vector: bytes, limit: int) -> list[tuple[str, float]]:
        """Ids with the cosine of the angle between, the nearest first."""
        count = len(self._ids)
        if not count:
            return []
        near = self._vectors[:count] @ np.frombuffer(vector, np.dtype("<f4"))
        best = np.argpartition(-near, min(limit, count) - 1)[:limit]
        return sorted(((self._ids[place], float(near[place])) for place in best), key=lambda found: -found[1])
