"""The tables' versions."""

from alembic.script import ScriptDirectory

from vgproject.migrations import VERSIONS, newest


def test_the_newest_version_is_the_one_that_the_others_lead_to() -> None:
    assert ScriptDirectory(str(VERSIONS.parent)).get_heads() == [newest()]
