"""A small real project with a failing test, and a script with which a model mends it."""

import json
import subprocess
from pathlib import Path
from typing import Any

SOURCE = "def add(a, b):\n    return a - b\n"
TEST = (
    "import unittest\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n"
    "    def test_adds(self):\n        self.assertEqual(add(2, 3), 5)\n"
)
TEST_COMMAND = "python3 -m unittest -q"


def make_project(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "calc.py").write_text(SOURCE)
    (directory / "test_calc.py").write_text(TEST)
    (directory / ".gitignore").write_text("__pycache__/\n")
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "First"],
    ):
        subprocess.run(["git", *words], cwd=directory, check=True)
    return directory


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


def script(**changes: Any) -> dict[str, Any]:
    """The script of the main job; ``changes`` replace whole phases."""
    phases: dict[str, Any] = {
        "research": [
            {"text": "I look around first.", "tool_calls": [call("list_files"), call("read_file", path="calc.py")]},
            {
                "tool_calls": [
                    call(
                        "submit_research",
                        notes="`add` subtracts.",
                        key_facts=["calc.add is wrong"],
                        related_files=["calc.py"],
                    )
                ]
            },
        ],
        "planning": [
            {
                "tool_calls": [
                    call(
                        "submit_plan",
                        summary="Add instead of subtracting.",
                        steps=[{"id": "1", "title": "Mend add", "files": ["calc.py"]}],
                    )
                ]
            }
        ],
        "implementation": [
            {"tool_calls": [call("edit_file", path="calc.py", old="a - b", new="a + b")]},
            {
                "tool_calls": [
                    call("run_command", command=TEST_COMMAND),
                    call("update_plan_step", step_id="1", status="done"),
                ]
            },
            {"text": "All green.", "tool_calls": [call("submit_implementation", summary="`add` adds now.")]},
        ],
    }
    return {"calls_log": "calls.jsonl", "phases": {**phases, **changes}}


def write_script(directory: Path, content: dict[str, Any]) -> str:
    """The name of the model."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "script.json"
    path.write_text(json.dumps(content))
    return f"scripted:{path}"


def model_calls(model: str) -> list[dict[str, Any]]:
    log = Path(model.partition(":")[2]).parent / "calls.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]
