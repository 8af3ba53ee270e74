"""What the tools that change files share: known content, all or nothing, and the truth after a crash."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vgproject.errors import WorkspaceError
from vgproject.schema.events import FileChange
from vgproject.tools.base import Effect, Tool, ToolContext, ToolFailure, ToolResult, masked
from vgproject.utils.secrets import count_masks
from vgproject.workspace.file_changes import FileWrite, changed
from vgproject.workspace.text_files import TextFile, decode, sha256

MAX_EDITED_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """All that a call is to write, and what it then answers."""

    text: str
    writes: Sequence[FileWrite]


class ChangesFiles(Tool):
    effect: ClassVar[Effect] = "checkable"

    def plan(self, arguments: Any, context: ToolContext) -> Plan:
        """Work it out in memory. Raises `ToolFailure` where it cannot be done; nothing is written."""
        raise NotImplementedError

    async def run(self, arguments: Any, context: ToolContext) -> ToolResult:
        return await asyncio.to_thread(self._run, arguments, context)

    def _run(self, arguments: Any, context: ToolContext) -> ToolResult:
        plan = self.plan(arguments, context)
        for write in plan.writes:
            if _masks(write.after) > _masks(write.before):
                raise masked(f"The new text of {write.path!r}")
        changes = [write.as_change() for write in plan.writes]
        seen = {write.path: sha256(write.after or b"") for write in plan.writes}
        result = {"text": plan.text, "changes": [change.model_dump() for change in changes], "seen": seen}
        context.workspace.file_changes.make(context.call_id, plan.writes, result)
        return ToolResult(plan.text, {"seen": seen}, changes)

    async def find_done(self, arguments: Any, context: ToolContext) -> ToolResult | None:
        done = await asyncio.to_thread(context.workspace.file_changes.finish, context.call_id)
        if done is None:
            return None
        changes = [FileChange.model_validate(change) for change in done["changes"]]
        return ToolResult(done["text"], {"seen": done["seen"]}, changes)


def _masks(content: bytes | None) -> int:
    return count_masks((content or b"").decode(errors="replace"))


def read_known(context: ToolContext, path: str) -> bytes | None:
    """The content of a located path, ``None`` where there is no file.

    Raises `WorkspaceError` (``changed``) where the agent knows another content.
    """
    try:
        with context.workspace.files.open(path) as file:
            content = file.read(MAX_EDITED_BYTES + 1)
    except WorkspaceError as error:
        if error.code == "no_such_file":
            return None
        raise
    if len(content) > MAX_EDITED_BYTES:
        raise ToolFailure(f"{path!r} is larger than 10 MiB: change it by a command.", code="too_large")
    if context.seen.get(path, known := sha256(content)) != known:
        raise changed(path)
    return content


def read_text(context: ToolContext, path: str) -> tuple[bytes, TextFile]:
    """The content of a text file that must be there."""
    content = read_known(context, path)
    if content is None:
        raise no_such_file(path)
    return content, as_text(content, path)


def no_such_file(path: str) -> ToolFailure:
    return ToolFailure(f"There is no file {path!r}: list the files, or write it.", code="no_such_file")


def as_text(content: bytes, path: str) -> TextFile:
    if (text := decode(content)) is None:
        raise ToolFailure(f"{path!r} is binary ({len(content)} bytes): it cannot be edited as text.", code="binary")
    return text


def encode(file: TextFile, path: str) -> bytes:
    try:
        return file.encode()
    except UnicodeEncodeError as error:
        raise ToolFailure(
            f"{path!r} is in {file.encoding}, which has no place for {file.text[error.start]!r}: write it without,"
            " or convert the file first.",
            code="encoding",
        ) from error
