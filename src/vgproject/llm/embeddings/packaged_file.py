"""A file that an installed package ships, found without running any of the package's code."""

from dataclasses import dataclass
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path

from vgproject.errors import ModelError


@dataclass(frozen=True)
class PackagedFile:
    package: str
    path: str
    sha256: str

    def find(self) -> Path:
        """Raises `ModelError` where it is not there, or not the file that is meant."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError(f"The package {self.package!r}, in which the model of embeddings is, is not installed.")
        path = Path(spec.submodule_search_locations[0], self.path)
        try:
            with path.open("rb") as file:
                found = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"The model of embeddings cannot be read: {error}.") from error
        if found != self.sha256:
            raise ModelError(f"{path} is not the file of the model of embeddings: its SHA-256 is another.")
        return path
