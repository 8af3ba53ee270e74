"""The main job on a sample repository: from failing tests to passing ones, through the real server."""

import asyncio
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from vgproject.cli.client import Client
from vgproject.cli.follow import follow_task
from vgproject.cli.live import create_view
from vgproject.cli.tasks import open_server
from vgproject.config import Config, Loaded, load_config
from vgproject.errors import UnavailableError
from vgproject.workspace.boxes import Boxes
from vgproject.workspace.git import run_git
from vgproject.workspace.sandbox.probe import Choice, choose_sandbox
from vgproject.workspace.workspaces import Workspaces

TASK = "The tests of the shopping cart fail. Find out why and make them pass."
TEST_COMMAND = "python3 -m unittest -v"


def run_demo(*, model: str | None, keep: bool) -> int:
    """0 only if the sample's tests really pass in the session's workspace."""
    if keep:
        return asyncio.run(_demo(Path(tempfile.mkdtemp(prefix="vgproject-demo-")), model, keep=True))
    with tempfile.TemporaryDirectory(prefix="vgproject-demo-") as directory:
        return asyncio.run(_demo(Path(directory), model, keep=False))


async def _demo(directory: Path, model: str | None, *, keep: bool) -> int:
    project = directory / "shop"
    await make_sample(project)
    script = files("vgproject.cli.sample") / "script.json"
    options: dict[str, Any] = {
        "home": directory / "home",
        "project": project,
        "model": model or f"scripted:{script}",
        "approvals": "never",
        "test_command": TEST_COMMAND,
    }
    loaded = await load_sample_config(options)
    print(f"A sample repository with failing tests is in {project}\n")
    async with open_server(loaded, None) as address:
        client = Client(address)
        session = await client.send(type="create_session", project=str(project), title="Demo")
        session_id = session["session_id"]
        task = await client.send(type="task", session_id=session_id, content=TASK)
        code = await follow_task(client, session_id, task["task_id"], create_view(as_json=False))
        print("\n" + await client.request("GET", f"/v1/sessions/{session_id}/diff"))
        sandbox = await _choose(loaded.config)
        boxes = Boxes(sandbox.sandbox, loaded.config.sandbox_limits)
        workspace = await Workspaces(loaded.config.home, loaded.environ, boxes).open(session_id)
        tests = await workspace.run(TEST_COMMAND, timeout_seconds=60, on_output=lambda _: None)
        passed = tests.exit_code == 0
        print(f"{TEST_COMMAND}, run once more in the workspace: {'passed' if passed else 'FAILED'}")
        if keep:
            print(f"\nThe server stays at {address.url} until Ctrl-C. Look again with:")
            print(f"  VGPROJECT_HOME={loaded.config.home} vgproject events {session_id}")
            await asyncio.Event().wait()
        print("To look at the session again, in a terminal or by your own program: `scripts/demo --keep`.")
    return code or int(not passed)


async def load_sample_config(options: dict[str, Any]) -> Loaded:
    """With the sandbox that works here; the sample's own commands are known, so without one they run too."""
    loaded = load_config(options)
    try:
        choice = await _choose(loaded.config)
    except UnavailableError as error:
        print(f"{error.message}\nThe demo runs without one: the commands of its sample are known and harmless.\n")
        return load_config({**options, "sandbox": "none", "accept_no_isolation": True})
    print(f"Sandbox: {choice.text}")
    return loaded


async def _choose(config: Config) -> Choice:
    return await choose_sandbox(
        config.sandbox,
        accepted=config.accept_no_isolation,
        settings=config.sandbox_limits,
        directory=config.home / "workspaces",
    )


async def make_sample(project: Path) -> None:
    _write_files(project)
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "A shopping cart")):
        await run_git(*words, cwd=project)


def _write_files(project: Path) -> None:
    project.mkdir(parents=True)
    for name in ("cart.py", "test_cart.py"):
        (project / name).write_text((files("vgproject.cli.sample") / f"{name}.txt").read_text())
    (project / ".gitignore").write_text("__pycache__/\n")
