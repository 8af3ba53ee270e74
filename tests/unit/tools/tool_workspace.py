"""A workspace of real files, and the context in which a tool runs on it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgproject.schema.base import JsonObject
from vgproject.schema.events import RecalledEntry
from vgproject.schema.memory import MemoryEntry, MemoryKind, MemorySource
from vgproject.tools.base import ToolContext, ToolResult
from vgproject.tools.registry import TOOLS, parse_arguments
from vgproject.utils.secrets import SecretMask
from vgproject.workspace.background import BackgroundCommands
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspace import Locks, Origin, Workspace, WorkspaceSettings


class NoMemory:
    is_full = False

    async def recall(self, query: str, limit: int = 10, *, kinds: Sequence[MemoryKind] = ()) -> list[RecalledEntry]:
        return []

    async def find(self, memory_ids: Sequence[str]) -> dict[str, MemoryEntry]:
        return {}

    async def note_recall(self, entries: Sequence[RecalledEntry], *, scope: str) -> None:
        """Nothing is recalled."""

    def source_of(self, content: str) -> MemorySource | None:
        return None


class Hands:
    """Calls tools as an agent does, and remembers which content it has seen."""

    def __init__(self, directory: Path, *, path: str = "/usr/local/bin:/usr/bin:/bin") -> None:
        project = str(directory / "project")
        self.workspace = Workspace(
            directory,
            Origin(project=project, top=project, base=""),
            {"PATH": path},
            UNBOXED,
            Locks(),
            WorkspaceSettings(),
        )
        self.background = BackgroundCommands(self.workspace, SecretMask())
        self.root = self.workspace.root
        self.root.mkdir(parents=True, exist_ok=True)
        self.blobs: list[bytes] = []
        self.shown = ""
        self.seen: dict[str, str] = {}
        self._calls = 0

    def context(self, call_id: str) -> ToolContext:
        return ToolContext(
            workspace=self.workspace,
            memory=NoMemory(),
            output=self._show,
            keep=self._keep,
            background=self.background,
            call_id=call_id,
            seen=self.seen,
        )

    async def call(self, tool: str, **arguments: Any) -> ToolResult:
        self._calls += 1
        parsed = parse_arguments(TOOLS[tool], arguments)
        result = await TOOLS[tool].run(parsed, self.context(f"call_{self._calls}"))
        self.seen.update(result.details.get("seen", {}))
        if command_id := result.details.get("command_id"):
            self.background.expect(command_id)
        return result

    async def find_done(self, tool: str, **arguments: Any) -> ToolResult | None:
        """Ask about the last call, as after a crash."""
        parsed = parse_arguments(TOOLS[tool], arguments)
        return await TOOLS[tool].find_done(parsed, self.context(f"call_{self._calls}"))

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def _show(self, text: str) -> None:
        self.shown += text

    async def _keep(self, content: bytes) -> JsonObject:
        self.blobs.append(content)
        return {"id": "blb_1", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
