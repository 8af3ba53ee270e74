"""Says at the end of a run what this machine does not let the suite try."""

from pathlib import Path

import pytest

NOT_TRIED = pytest.StashKey[list[str]]()


@pytest.fixture
def not_tried(pytestconfig: pytest.Config) -> list[str]:
    """What is put in here is shown, loudly, at the end."""
    return pytestconfig.stash.setdefault(NOT_TRIED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    texts: list[str] = config.stash.get(NOT_TRIED, [])
    for text in dict.fromkeys(texts):
        terminalreporter.write_line(f"NOT TRIED ({Path(__file__).parent.name}): {text}", red=True, bold=True)
