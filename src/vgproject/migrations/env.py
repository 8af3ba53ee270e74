"""Alembic's environment: runs on the connection that `repositories.unit_of_work.Database.upgrade` hands in."""

from alembic import context

from vgproject.models.tables import Row

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Row.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
