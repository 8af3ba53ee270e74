"""Which commands run unasked under ``approvals: untrusted``."""

import pytest

from vgproject.agents.approvals import is_harmless


@pytest.mark.parametrize("command", ["cat a.py", "ls -la src", "grep -rn 'def add' src", "wc -l a.py", "pwd"])
def test_a_command_that_only_reads_is_harmless(command: str) -> None:
    assert is_harmless(command)


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf .",
        "ls; rm x",
        "ls > x",
        "cat $(rm x)",
        "A=1 ls",
        "env ls",
        "git diff --ext-diff",
        "git log --output=x",
        "git status",
        "rg --pre=sh x",
        "tree -o x",
        "file -C -m x",
        "date -s 1",
        "tail -f x",
        "catalogue",
        "cat 'unclosed",
    ],
)
def test_a_command_that_could_write_run_or_never_end_is_not(command: str) -> None:
    assert not is_harmless(command)
