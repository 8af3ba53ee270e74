"""The README's examples, run in its order as a reader would, and its tables held against the code."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sample import call, make_project, script, write_script
from vgproject.llm.providers import PROVIDERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:8000"
FIXED = "def add(a, b):\n    return a + b\n"


class Reader:
    """Somebody at a terminal in a repository, who does what the README says."""

    def __init__(self, tmp_path: Path) -> None:
        self.project = make_project(tmp_path / "project")
        write = [{"tool_calls": [call("write_file", path="calc.py", content=FIXED)]}]
        rest = script()["phases"]["implementation"][1:]
        model = write_script(tmp_path, script(implementation=[*write, *rest]))
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "VGPROJECT_MODEL": model,
            "VGPROJECT_PORT": "0",
            "VGPROJECT_APPROVALS": "untrusted",
        }
        self._exports = ""
        self._address = ADDRESS

    def run(self, words: list[str], code: str) -> str:
        code = code.replace(ADDRESS, self._address)
        file = self.project.parent / f"example.{words[-1].rpartition('/')[2]}"
        file.write_text(code)
        command = f"{self._exports}\nexec {' '.join(words)} {file}"
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.project,
            env=self.environment,
            input="y\n" * 9,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        self._exports += "".join(line + "\n" for line in code.splitlines() if line.startswith("export "))
        return done.stdout

    @contextmanager
    def serve(self, code: str) -> Iterator[None]:
        """Run an example that goes on until it is stopped."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {code.strip()}"],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as lines:
            ready = re.search(r"http://([\d.:]+)/", lines.readline())
            try:
                assert ready
                self._address = ready[1]
                yield
            finally:
                process.terminate()
                assert process.wait(timeout=100) == 0


def examples(language: str) -> list[str]:
    return [code for kind, code in EXAMPLES if kind == language]


def test_every_example_does_what_the_readme_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    [config] = examples("toml")
    (tmp_path / ".config/vgproject").mkdir(parents=True)
    (tmp_path / ".config/vgproject/config.toml").write_text(config)
    command_line, serve, export, http, memory, conflicts = examples("sh")

    shown = reader.run(["bash", "-e"], command_line)
    assert "+    return a + b" in shown
    assert (reader.project / "calc.py").read_text() == FIXED

    with reader.serve(serve):
        reader.run(["bash", "-e"], export)
        [client] = examples("python")
        seen = reader.run(["python"], client)
        assert "Allow it? [y/n] " in seen
        assert seen.splitlines()[-1].startswith("task_completed")
        shown = reader.run(["bash", "-e"], http)
        assert [line for line in shown.splitlines() if line.startswith("event: ")][-1] == "event: task_completed"
        assert '"events":[{"seq":4,' in shown
        known = reader.run(["bash", "-e"], memory)
        assert [line.split()[:2] for line in known.splitlines() if re.match(r" v\d", line)] == [
            ["v1", "added"],
            ["v2", "updated"],
            ["v3", "forgotten"],
            ["v4", "restored"],
        ]
        assert '"content": "Releases are cut from the branch stable"' in known
        assert "superseded  The server listens on port 80" in reader.run(["bash", "-e"], conflicts)
        if node := shutil.which("node"):
            [client] = examples("js")
            assert "research_complete" in reader.run([node, "--experimental-websocket"], client)


def test_the_table_of_models_is_that_of_the_code() -> None:
    table = README.partition("| provider |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[re.findall("`(.*?)`", cell) for cell in line.split("|")[1:-1]] for line in table]
    named = {name: cells for [name], *cells in rows}
    assert list(named) == list(PROVIDERS)
    for name, provider in PROVIDERS.items():
        keys, urls, models = named[name]
        assert urls == [provider.url] * bool(provider.url), name
        assert models == [provider.default_model] * bool(provider.default_model), name
        assert keys == [*(provider.keys or provider.others)][:2], name


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/decisions/README.md"])
def test_a_page_names_only_files_and_scripts_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [ROOT / page / ".." / link for link in re.findall(r"\]\(([^):#]+)\)", text)]
    scripts = [ROOT / name for name in re.findall(r"`(scripts/\w+)", text)]
    assert [path for path in (*links, *scripts) if not path.resolve().exists()] == []
