"""Commands that run beside all others until they end, are stopped, or are ended with all of their owner's."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vgproject.errors import WorkspaceError
from vgproject.utils.secrets import MaskedStream, SecretMask
from vgproject.workspace.processes import CommandResult
from vgproject.workspace.workspace import Workspace

MAX_RUNNING = 4
MAX_STARTED = 40
"""In one phase: what each has printed is kept until its end."""
KEPT_CHARACTERS = 500_000


class BackgroundCommand:
    """``result`` is there once it has ended by itself; one that was stopped has ended without."""

    def __init__(self, command: str, timeout_seconds: float | None, secrets: SecretMask) -> None:
        self.command = command
        self.timeout_seconds = timeout_seconds
        self.result: CommandResult | None = None
        self.printed = 0
        """How many characters so far, with secrets masked; the last ``KEPT_CHARACTERS`` of them are kept."""
        self._stream = MaskedStream(secrets)
        self._kept: deque[str] = deque()
        self._forgotten = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def start(self, workspace: Workspace) -> None:
        """Returns when it runs. Raises `WorkspaceError` where it cannot be started."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(workspace, started), name=f"background {self.command[:40]}")
        await asyncio.wait({started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await self._task

    async def _run(self, workspace: Workspace, started: asyncio.Future[None]) -> None:
        try:
            self.result = await workspace.run(
                self.command,
                timeout_seconds=self.timeout_seconds,
                on_output=lambda text: self._keep(self._stream.feed(text)),
                on_start=lambda: started.set_result(None),
                max_output_bytes=None,
            )
        finally:
            self._keep(self._stream.finish())
            self._changed.set()

    def _keep(self, text: str) -> None:
        if not text:
            return
        self._kept.append(text)
        self.printed += len(text)
        while self.printed - self._forgotten - len(self._kept[0]) >= KEPT_CHARACTERS:
            self._forgotten += len(self._kept.popleft())
        self._changed.set()

    def output(self, since: int = 0) -> tuple[str, int]:
        """What it printed from character ``since`` on, and how many characters of that are not kept any more."""
        return "".join(self._kept)[max(since - self._forgotten, 0) :], max(self._forgotten - since, 0)

    async def wait(self, since: int, seconds: float) -> None:
        """Until it has printed something after character ``since`` or ended, but no longer than ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                while self.running and self.printed <= since:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    async def stop(self) -> None:
        """Returns when nothing of it is left."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})


class BackgroundCommands:
    """All of one phase."""

    def __init__(self, workspace: Workspace, secrets: SecretMask) -> None:
        self._workspace = workspace
        self._secrets = secrets
        self._commands: dict[str, BackgroundCommand] = {}
        self._expected: set[str] = set()

    async def start(self, command_id: str, command: str, timeout_seconds: float | None) -> None:
        """Raises `WorkspaceError` (``too_many_commands``) where no more may run."""
        if sum(known.running for known in self._commands.values()) >= MAX_RUNNING:
            raise WorkspaceError(
                f"{MAX_RUNNING} commands run in the background already: stop one first.", code="too_many_commands"
            )
        if len(self._commands) >= MAX_STARTED:
            raise WorkspaceError(
                f"{MAX_STARTED} commands have been started in the background, and no more may be in one phase.",
                code="too_many_commands",
            )
        self._commands[command_id] = BackgroundCommand(command, timeout_seconds, self._secrets)
        try:
            await self._commands[command_id].start(self._workspace)
        except WorkspaceError:
            del self._commands[command_id]
            raise

    def expect(self, command_id: str) -> None:
        """It was started, by this process or by one before."""
        self._expected.add(command_id)

    def find(self, command_id: str) -> BackgroundCommand | None:
        """``None`` for one that ended with the process that had started it.

        Raises `WorkspaceError` (``no_such_command``) for one that was never started.
        """
        if command_id in self._commands:
            return self._commands[command_id]
        if command_id in self._expected:
            return None
        known = ", ".join(sorted(self._expected)) or "none was started"
        raise WorkspaceError(
            f"There is no background command {command_id!r} in this phase: {known}.", code="no_such_command"
        )

    async def end_all(self) -> None:
        """Returns when nothing of any command is left."""
        if self._commands:
            await asyncio.wait({asyncio.ensure_future(command.stop()) for command in self._commands.values()})


@asynccontextmanager
async def open_background(workspace: Workspace, secrets: SecretMask) -> AsyncIterator[BackgroundCommands]:
    """What is started in the block is ended with it, however it ends."""
    background = BackgroundCommands(workspace, secrets)
    try:
        yield background
    finally:
        await background.end_all()
