"""The tables' versions, one file each."""

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"


def newest() -> str:
    """The version that this release needs: files are named by it."""
    return max(path.name for path in VERSIONS.glob("[0-9]*.py")).partition("_")[0]
