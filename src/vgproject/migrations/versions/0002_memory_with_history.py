"""memory with history, conflicts, full text search and embeddings"""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

import vgproject.models.tables
from vgproject.models.tables import UtcDateTime
from vgproject.utils.words import split_words

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAMESPACES = sa.table("memory_namespaces", sa.column("name"), sa.column("epoch"), sa.column("head_seq"))
ENTRIES = sa.table(
    "memory_entries",
    *(sa.column(name) for name in ("id", "namespace", "kind", "content", "digest", "words", "confidence", "source")),
    *(sa.column(name) for name in ("status", "version", "recalls")),
    *(sa.column(name, sa.JSON()) for name in ("tags", "origins", "replaces", "conflicts_with")),
    *(sa.column(name, UtcDateTime()) for name in ("created_at", "updated_at")),
)
CHANGES = sa.table(
    "memory_changes",
    *(sa.column(name) for name in ("namespace", "memory_seq", "memory_id", "change")),
    sa.column("payload", sa.JSON()),
)

SQLITE_SEARCH = (
    """CREATE VIRTUAL TABLE memory_text USING fts5(
        words, content='memory_entries', content_rowid='number', tokenize='porter unicode61'
    )""",
    """CREATE TRIGGER memory_text_insert AFTER INSERT ON memory_entries BEGIN
        INSERT INTO memory_text(rowid, words) VALUES (new.number, new.words);
    END""",
    """CREATE TRIGGER memory_text_delete AFTER DELETE ON memory_entries BEGIN
        INSERT INTO memory_text(memory_text, rowid, words) VALUES ('delete', old.number, old.words);
    END""",
    """CREATE TRIGGER memory_text_update AFTER UPDATE OF words ON memory_entries BEGIN
        INSERT INTO memory_text(memory_text, rowid, words) VALUES ('delete', old.number, old.words);
        INSERT INTO memory_text(rowid, words) VALUES (new.number, new.words);
    END""",
)
POSTGRES_SEARCH = (
    "ALTER TABLE memory_entries ADD COLUMN text tsvector GENERATED ALWAYS AS (to_tsvector('english', words)) STORED",
    "CREATE INDEX ix_memory_entries_text ON memory_entries USING gin (text)",
)


def upgrade() -> None:
    connection = op.get_bind()
    old = _old_entries(connection)
    op.drop_table("memory_entries")
    _create_tables()
    for statement in SQLITE_SEARCH if connection.dialect.name == "sqlite" else POSTGRES_SEARCH:
        connection.execute(sa.text(statement))
    for namespace in {entry["namespace"] for entry in old}:
        _add(connection, namespace, [entry for entry in old if entry["namespace"] == namespace])


def downgrade() -> None:
    raise NotImplementedError("The history of the memory would be lost: take the copy of the database.")


def _create_tables() -> None:
    op.create_table(
        "memory_changes",
        sa.Column("namespace", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("memory_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("memory_id", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("change", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "memory_seq", name=op.f("pk_memory_changes")),
    )
    with op.batch_alter_table("memory_changes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memory_changes_memory_id"), ["memory_id"], unique=False)

    op.create_table(
        "memory_conflicts",
        sa.Column("id", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("namespace", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("first_id", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("second_id", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("reason", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("status", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("settlement", vgproject.models.tables.PlainText(), nullable=True),
        sa.Column("settled_by", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", vgproject.models.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("settled_at", vgproject.models.tables.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_conflicts")),
    )
    with op.batch_alter_table("memory_conflicts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memory_conflicts_namespace"), ["namespace"], unique=False)

    op.create_table(
        "memory_entries",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("namespace", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("kind", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("content", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("digest", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("words", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("confidence", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("source", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("path", vgproject.models.tables.PlainText(), nullable=True),
        sa.Column("place", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("status", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("replaces", sa.JSON(), nullable=False),
        sa.Column("conflicts_with", sa.JSON(), nullable=False),
        sa.Column("created_at", vgproject.models.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", vgproject.models.tables.UtcDateTime(timezone=True), nullable=False),
        sa.Column("recalled_at", vgproject.models.tables.UtcDateTime(timezone=True), nullable=True),
        sa.Column("recalls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_memory_entries")),
        sa.UniqueConstraint("id", name=op.f("uq_memory_entries_id")),
    )
    with op.batch_alter_table("memory_entries", schema=None) as batch_op:
        batch_op.create_index("ix_memory_entries_digest", ["namespace", "digest"], unique=False)
        batch_op.create_index("ix_memory_entries_path", ["namespace", "path"], unique=False)
        batch_op.create_index("ix_memory_entries_status", ["namespace", "status", "number"], unique=False)

    op.create_table(
        "memory_namespaces",
        sa.Column("name", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("epoch", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("head_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_memory_namespaces")),
    )
    op.create_table(
        "memory_vectors",
        sa.Column("memory_id", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("namespace", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("model", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("digest", vgproject.models.tables.PlainText(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["memory_id"],
            ["memory_entries.id"],
            name=op.f("fk_memory_vectors_memory_id_memory_entries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("memory_id", name=op.f("pk_memory_vectors")),
    )
    with op.batch_alter_table("memory_vectors", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memory_vectors_namespace"), ["namespace"], unique=False)


def _old_entries(connection: sa.Connection) -> list[dict[str, Any]]:
    table = sa.table(
        "memory_entries",
        *(sa.column(name) for name in ("id", "project", "kind", "content", "version", "forgotten")),
        sa.column("origin", sa.JSON()),
        sa.column("created_at", UtcDateTime()),
        sa.column("updated_at", UtcDateTime()),
    )
    rows = connection.execute(sa.select(table).order_by(table.c.created_at, table.c.id)).mappings()
    return [dict(row, namespace=f"project:{row['project']}") for row in rows]


def _add(connection: sa.Connection, namespace: str, entries: list[dict[str, Any]]) -> None:
    epoch = f"epo_{hashlib.sha256(namespace.encode()).hexdigest()[:24]}"
    connection.execute(sa.insert(NAMESPACES).values(name=namespace, epoch=epoch, head_seq=len(entries)))
    for seq, entry in enumerate(entries, 1):
        status = "forgotten" if entry["forgotten"] else "active"
        connection.execute(sa.insert(ENTRIES).values(**_row(entry, namespace, status)))
        connection.execute(
            sa.insert(CHANGES).values(
                namespace=namespace,
                memory_seq=seq,
                memory_id=entry["id"],
                change="forgotten" if entry["forgotten"] else "added",
                payload=_change(entry, seq, status),
            )
        )


def _row(entry: dict[str, Any], namespace: str, status: str) -> dict[str, Any]:
    kept = {name: entry[name] for name in ("id", "kind", "content", "version", "created_at", "updated_at")}
    said = " ".join(entry["content"].split()).casefold()
    return {
        **kept,
        "namespace": namespace,
        "digest": hashlib.sha256(f"{entry['kind']}\0{said}".encode()).hexdigest(),
        "words": " ".join(split_words(entry["content"])),
        "tags": [],
        "confidence": "likely",
        "source": "agent" if entry["origin"].get("phase") else "user",
        "status": status,
        "origins": [entry["origin"]],
        "replaces": [],
        "conflicts_with": [],
        "recalls": 0,
    }


def _change(entry: dict[str, Any], seq: int, status: str) -> dict[str, Any]:
    created, updated = (entry[name].strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name in ("created_at", "updated_at"))
    origin = entry["origin"]
    view = {
        "memory_id": entry["id"],
        "project": entry["project"],
        "kind": entry["kind"],
        "content": entry["content"],
        "source": "agent" if origin.get("phase") else "user",
        "status": status,
        "version": entry["version"],
        "origin": origin,
        "origins": [origin],
        "created_at": created,
        "updated_at": updated,
    }
    actor = {"kind": "agent" if origin.get("phase") else "user", "id": origin["actor"]}
    change = "forgotten" if status == "forgotten" else "added"
    return {"memory_seq": seq, "change": change, "actor": actor, "origin": origin, "time": updated, "entry": view}
