"""Alembic's own way to the newest version. Imported only where there is something to do: it takes a while."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from vgproject.migrations import VERSIONS


def upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
