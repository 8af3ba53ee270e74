"""Rows as stored. Events are written and read on the plain drivers, behind `repositories.event_store`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class PlainText(TypeDecorator[str]):
    """Without NUL, which PostgreSQL keeps in no text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "") if value else value


class Row(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON, str: PlainText}  # noqa: RUF012  (SQLAlchemy reads it as a plain dict)


class SessionRow(Row):
    __tablename__ = "sessions"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    project: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    owner: Mapped[str]
    settings: Mapped[dict[str, Any]]
    epoch: Mapped[str]
    head_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    waiting: Mapped[str] = mapped_column(default="[]")
    """The questions that wait for a person, as `event_store` writes them."""
    holder: Mapped[str | None]
    """Who holds control, as `event_store` writes it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TaskRow(Row):
    __tablename__ = "tasks"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(index=True)
    content: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=1)
    queued_seq: Mapped[int] = mapped_column(BigInteger)
    queued_by: Mapped[str | None]
    """The user who queued it last."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


EVENT_ID = BigInteger().with_variant(Integer, "sqlite")
"""In SQLite only INTEGER PRIMARY KEY is the table's own order; any other key is an index more."""

HAS_KEY = text("key IS NOT NULL")


class EventRow(Row):
    """``id`` is ``session number << 40 | seq``; ``payload`` the frame as JSON, without its seq."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(EVENT_ID, primary_key=True, autoincrement=False)
    session_number: Mapped[int]
    key: Mapped[str | None]
    type: Mapped[str]
    payload: Mapped[str]

    __table_args__ = (
        Index(
            "uq_events_session_number",
            "session_number",
            "key",
            unique=True,
            sqlite_where=HAS_KEY,
            postgresql_where=HAS_KEY,
        ),
    )


class BlobRow(Row):
    __tablename__ = "blobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class TurnRow(Row):
    """One model call: what was sent anew, and the reply."""

    __tablename__ = "turns"

    task_id: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[str] = mapped_column(primary_key=True)
    run: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(index=True)
    model: Mapped[str]
    request: Mapped[list[Any]]
    response: Mapped[dict[str, Any]]


class CommandRow(Row):
    """The answer to a command that was sent with an id, or to another thing that is done once for its ``scope``."""

    __tablename__ = "commands"

    scope: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str | None] = mapped_column(index=True)
    answer: Mapped[dict[str, Any]]


class MemoryNamespaceRow(Row):
    """The memory of one project or user. Whoever changes it holds this row: so changes have an order."""

    __tablename__ = "memory_namespaces"

    name: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[str]
    head_seq: Mapped[int] = mapped_column(BigInteger, default=0)


class MemoryRow(Row):
    """``words`` is the text that the database's full text search knows: `utils.words` makes it.

    Its index is the database's own: an FTS5 table kept by triggers, or a generated column.
    """

    __tablename__ = "memory_entries"

    number: Mapped[int] = mapped_column(EVENT_ID, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    namespace: Mapped[str]
    kind: Mapped[str]
    content: Mapped[str]
    digest: Mapped[str]
    """Of kind and content, whatever their case and spacing: entries that say the same have the same."""
    words: Mapped[str]
    tags: Mapped[list[Any]]
    confidence: Mapped[str]
    source: Mapped[str]
    path: Mapped[str | None]
    place: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    status: Mapped[str] = mapped_column(default="active")
    version: Mapped[int] = mapped_column(default=1)
    origins: Mapped[list[Any]]
    replaces: Mapped[list[Any]]
    conflicts_with: Mapped[list[Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    recalled_at: Mapped[datetime | None]
    recalls: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        # What tells most comes first: SQLite knows no statistics of its own.
        Index("ix_memory_entries_digest", "digest", "namespace"),
        Index("ix_memory_entries_path", "path", "namespace"),
        Index("ix_memory_entries_namespace", "namespace", "number", "status"),
    )


class MemoryChangeRow(Row):
    """A version of an entry, as it was after a change."""

    __tablename__ = "memory_changes"

    namespace: Mapped[str] = mapped_column(primary_key=True)
    memory_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    memory_id: Mapped[str] = mapped_column(index=True)
    change: Mapped[str]
    payload: Mapped[dict[str, Any]]
    """A `schema.memory.MemoryChange`."""


class MemoryConflictRow(Row):
    __tablename__ = "memory_conflicts"

    id: Mapped[str] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(index=True)
    first_id: Mapped[str]
    second_id: Mapped[str]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    settlement: Mapped[str | None]
    settled_by: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class MemoryVectorRow(Row):
    """An entry's embedding: unit length, little-endian float32. One of another ``model`` or ``digest`` is out of date."""

    __tablename__ = "memory_vectors"

    number: Mapped[int] = mapped_column(EVENT_ID, primary_key=True, autoincrement=True)
    """A new one each time, so that who has read the vectors reads on from there."""
    memory_id: Mapped[str] = mapped_column(ForeignKey("memory_entries.id", ondelete="CASCADE"), unique=True)
    namespace: Mapped[str]
    model: Mapped[str]
    digest: Mapped[str]
    vector: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (Index("ix_memory_vectors_namespace", "namespace", "number"), {"sqlite_autoincrement": True})


class MemberRow(Row):
    """What events say of who may see a session. Without a role it is as the member's token says."""

    __tablename__ = "members"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True, index=True)
    role: Mapped[str | None]


class TokenRow(Row):
    """An API token, of which only a hash is kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    role: Mapped[str]
    name: Mapped[str | None]
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Row):
    """A record of the audit trail: `schema.audit.AuditRecord`, of whose fields its hash is made. Only ever added."""

    __tablename__ = "audit_records"

    audit_seq: Mapped[int] = mapped_column(EVENT_ID, primary_key=True, autoincrement=False)
    time: Mapped[str] = mapped_column(index=True)
    """As on the wire, because it is hashed so."""
    server: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    begun: Mapped[int | None] = mapped_column(BigInteger)
    code: Mapped[str | None]
    user: Mapped[str]
    role: Mapped[str | None]
    token_id: Mapped[str | None]
    client: Mapped[str]
    address: Mapped[str]
    session_id: Mapped[str | None]
    command_id: Mapped[str | None]
    digest: Mapped[str | None]
    count: Mapped[int]
    about: Mapped[str]
    """Its canonical JSON."""
    previous_hash: Mapped[str]
    hash: Mapped[str]


class AuditHeadRow(Row):
    """One row: the last record. Who adds to the trail holds it, so that the records of several processes have an order."""

    __tablename__ = "audit_head"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    audit_seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
