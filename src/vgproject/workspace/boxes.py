"""In what the commands of all workspaces run."""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from vgproject.utils.ids import new_id
from vgproject.workspace.processes import MAX_OUTPUT_BYTES, CommandResult, Reason, run_command
from vgproject.workspace.sandbox.base import Place, Sandbox, SandboxSettings, Unconfined
from vgproject.workspace.sandbox.cgroup import CommandGroup, Groups
from vgproject.workspace.sandbox.gate import open_box
from vgproject.workspace.sandbox.watch import watch


@dataclass(frozen=True)
class Boxes:
    """A kind of box, and the bounds of what runs in one."""

    sandbox: Sandbox
    settings: SandboxSettings
    groups: Groups | None = None

    async def run(
        self,
        argv: tuple[str, ...],
        place: Place,
        *,
        cwd: Path,
        environment: Mapping[str, str],
        timeout_seconds: float | None,
        on_output: Callable[[str], None],
        on_start: Callable[[], None] = lambda: None,
        max_output_bytes: int | None = MAX_OUTPUT_BYTES,
    ) -> CommandResult:
        """Run ``argv`` to its end. What it was refused of the network is said below its output."""
        name = new_id("cmd")
        async with self._open_group(name) as group, open_box(self.sandbox, argv, place, self.settings) as opening:
            launch = opening.launch

            def begin(pid: int) -> Coroutine[None, None, Reason]:
                on_start()
                return watch(pid, place, self.settings, memory=group is None)

            result = await run_command(
                replace(launch, argv=group.enter_first(launch.argv)) if group else launch,
                cwd=cwd,
                environment=dict(environment),
                marker=name,
                timeout_seconds=timeout_seconds,
                on_output=on_output,
                watch=begin,
                max_output_bytes=max_output_bytes,
            )
            if group and result.reason in ("exit", "killed") and group.ran_out_of_memory():
                result = replace(result, exit_code=None, reason="oom")
        if not opening.refusals:
            return result
        told = "".join(f"\n[network] {sentence}" for sentence in opening.refusals) + "\n"
        on_output(told)
        return replace(result, content=result.content + told.encode())

    def _open_group(self, name: str) -> AbstractAsyncContextManager[CommandGroup | None]:
        return self.groups.open_group(name, self.settings) if self.groups else nullcontext()


UNBOXED = Boxes(Unconfined(), SandboxSettings())
"""For commands that are known: they may do whatever the server's user can."""
