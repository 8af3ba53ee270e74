"""What the files of a workspace say, for who only wants to know whether they still say it."""

from collections.abc import Callable

from vgproject.errors import WorkspaceError
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.text_files import decode

MAX_BYTES = 4 * 1024 * 1024


class TextReader:
    """Blocks. Texts have their secrets masked, as agents are shown them."""

    def __init__(self, files: FileTree, mask: Callable[[str], str]) -> None:
        self._files = files
        self._mask = mask

    def read_text(self, path: str) -> str | None:
        """``None`` for what is no text, is too long, or cannot be read."""
        try:
            with self._files.open(path) as file:
                content = file.read(MAX_BYTES + 1)
        except (WorkspaceError, ValueError):
            return None
        text = decode(content) if len(content) <= MAX_BYTES else None
        return self._mask(text.text) if text else None

    def exists(self, path: str) -> bool:
        """A directory is there too."""
        for opened in (self._files.open, self._files.open_directory):
            try:
                with opened(path):
                    return True
            except (WorkspaceError, ValueError):
                continue
        return False
