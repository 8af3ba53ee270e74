"""Databases as RA.Aid writes them, in the versions that are about: the schemas are what its models and migrations make."""

import json
import sqlite3
from pathlib import Path
from typing import Self

CURRENT = """
CREATE TABLE "session" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "start_time" DATETIME NOT NULL, "command_line" TEXT, "program_version" TEXT, "machine_info" TEXT,
    "status" VARCHAR(20) NOT NULL
);
CREATE INDEX "session_status" ON "session" ("status");
CREATE TABLE "human_input" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "source" TEXT NOT NULL, "session_id" INTEGER,
    FOREIGN KEY ("session_id") REFERENCES "session" ("id")
);
CREATE INDEX "humaninput_session_id" ON "human_input" ("session_id");
CREATE TABLE "key_fact" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "human_input_id" INTEGER, "session_id" INTEGER,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id"),
    FOREIGN KEY ("session_id") REFERENCES "session" ("id")
);
CREATE INDEX "keyfact_human_input_id" ON "key_fact" ("human_input_id");
CREATE INDEX "keyfact_session_id" ON "key_fact" ("session_id");
CREATE TABLE "key_snippet" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "filepath" TEXT NOT NULL, "line_number" INTEGER NOT NULL, "snippet" TEXT NOT NULL, "description" TEXT,
    "human_input_id" INTEGER, "session_id" INTEGER,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id"),
    FOREIGN KEY ("session_id") REFERENCES "session" ("id")
);
CREATE INDEX "keysnippet_human_input_id" ON "key_snippet" ("human_input_id");
CREATE INDEX "keysnippet_session_id" ON "key_snippet" ("session_id");
CREATE TABLE "research_note" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "human_input_id" INTEGER, "session_id" INTEGER,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id"),
    FOREIGN KEY ("session_id") REFERENCES "session" ("id")
);
CREATE INDEX "researchnote_human_input_id" ON "research_note" ("human_input_id");
CREATE INDEX "researchnote_session_id" ON "research_note" ("session_id");
CREATE TABLE "trajectory" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "human_input_id" INTEGER, "tool_name" TEXT, "tool_parameters" TEXT, "tool_result" TEXT, "step_data" TEXT,
    "record_type" TEXT, "current_cost" REAL, "input_tokens" INTEGER, "output_tokens" INTEGER,
    "is_error" INTEGER NOT NULL, "error_message" TEXT, "error_type" TEXT, "error_details" TEXT,
    "session_id" INTEGER, FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id"),
    FOREIGN KEY ("session_id") REFERENCES "session" ("id")
);
CREATE INDEX "trajectory_human_input_id" ON "trajectory" ("human_input_id");
CREATE INDEX "trajectory_session_id" ON "trajectory" ("session_id");
CREATE TABLE "migratehistory" (
    "id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "migrated_at" DATETIME NOT NULL
);
"""
"""What RA.Aid 0.30.2 makes in a new project."""

FIRST = """
CREATE TABLE "human_input" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "source" TEXT NOT NULL
);
CREATE TABLE "key_fact" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "human_input_id" INTEGER,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id")
);
CREATE INDEX "keyfact_human_input_id" ON "key_fact" ("human_input_id");
CREATE TABLE "key_snippet" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "filepath" TEXT NOT NULL, "line_number" INTEGER NOT NULL, "snippet" TEXT NOT NULL, "description" TEXT,
    "human_input_id" INTEGER, FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id")
);
CREATE INDEX "keysnippet_human_input_id" ON "key_snippet" ("human_input_id");
CREATE TABLE "research_note" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "human_input_id" INTEGER,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id")
);
CREATE INDEX "researchnote_human_input_id" ON "research_note" ("human_input_id");
CREATE TABLE "migratehistory" (
    "id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "migrated_at" DATETIME NOT NULL
);
"""
"""Before RA.Aid knew sessions and trajectories: the migrations up to 006."""

UPGRADED = """
CREATE TABLE "human_input" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "source" TEXT NOT NULL,
    "session_id" INTEGER REFERENCES "session" ("id") ON DELETE CASCADE
);
CREATE TABLE "key_fact" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "human_input_id" INTEGER,
    "session_id" INTEGER REFERENCES "session" ("id") ON DELETE CASCADE,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id")
);
CREATE INDEX "keyfact_human_input_id" ON "key_fact" ("human_input_id");
CREATE TABLE "key_snippet" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "filepath" TEXT NOT NULL, "line_number" INTEGER NOT NULL, "snippet" TEXT NOT NULL, "description" TEXT,
    "human_input_id" INTEGER, "session_id" INTEGER REFERENCES "session" ("id") ON DELETE CASCADE,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id")
);
CREATE INDEX "keysnippet_human_input_id" ON "key_snippet" ("human_input_id");
CREATE TABLE "research_note" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "content" TEXT NOT NULL, "human_input_id" INTEGER,
    FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id")
);
CREATE INDEX "researchnote_human_input_id" ON "research_note" ("human_input_id");
CREATE TABLE "migratehistory" (
    "id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "migrated_at" DATETIME NOT NULL
);
CREATE TABLE "session" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "start_time" DATETIME NOT NULL, "command_line" TEXT, "program_version" TEXT, "machine_info" TEXT,
    "status" VARCHAR(20) NOT NULL
);
CREATE INDEX "session_status" ON "session" ("status");
CREATE INDEX "humaninput_session_id" ON "human_input" ("session_id");
CREATE INDEX "keyfact_session_id" ON "key_fact" ("session_id");
CREATE INDEX "keysnippet_session_id" ON "key_snippet" ("session_id");
CREATE INDEX "researchnote_session_id" ON "research_note" ("session_id");
CREATE TABLE "trajectory" (
    "id" INTEGER NOT NULL PRIMARY KEY, "created_at" DATETIME NOT NULL, "updated_at" DATETIME NOT NULL,
    "human_input_id" INTEGER, "tool_name" TEXT, "tool_parameters" TEXT, "tool_result" TEXT, "step_data" TEXT,
    "record_type" TEXT, "current_cost" REAL, "input_tokens" INTEGER, "output_tokens" INTEGER,
    "is_error" INTEGER NOT NULL, "error_message" TEXT, "error_type" TEXT, "error_details" TEXT,
    "session_id" INTEGER, FOREIGN KEY ("human_input_id") REFERENCES "human_input" ("id"),
    FOREIGN KEY ("session_id") REFERENCES "session" ("id")
);
CREATE INDEX "trajectory_human_input_id" ON "trajectory" ("human_input_id");
CREATE INDEX "trajectory_session_id" ON "trajectory" ("session_id");
CREATE INDEX "human_input_session_id" ON "human_input" ("session_id");
CREATE INDEX "key_fact_session_id" ON "key_fact" ("session_id");
CREATE INDEX "key_snippet_session_id" ON "key_snippet" ("session_id");
"""
"""The first version, opened with 0.30.2, whose migrations stop at 012.

Its index on ``research_note`` names a column that is not there: SQLite takes the name for a string."""

NOW = "2025-04-10 09:30:00.123456"


class RaAidDatabase:
    """``.ra-aid/pk.db``, open as long as RA.Aid runs. What is added is committed at once, as by peewee."""

    def __init__(self, path: Path, schema: str = CURRENT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = wal")
        self._connection.execute("PRAGMA foreign_keys = 1")
        self._connection.executescript(schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, table: str, **values: object) -> int:
        """Returns the row's id."""
        row = {"created_at": NOW, "updated_at": NOW} | values
        names, places = ", ".join(row), ", ".join("?" * len(row))
        return (
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", [*row.values()]).lastrowid or 0
        )

    def add_session(self, *, status: str = "pending", command_line: str = "ra-aid -m task") -> int:
        return self.add("session", start_time=NOW, command_line=command_line, program_version="0.30.2", status=status)

    def add_input(self, content: str, *, source: str = "cli", **values: object) -> int:
        return self.add("human_input", content=content, source=source, **values)

    def add_record(self, record_type: str, tool: str = "", /, parameters: object = None, **values: object) -> int:
        kept = None if parameters is None else json.dumps(parameters)
        row = {"is_error": 0, "record_type": record_type, "tool_name": tool, "tool_parameters": kept} | values
        return self.add("trajectory", **row)


def write_sample(path: Path) -> None:
    """One session that fixed a bug, with something of each kind."""
    with RaAidDatabase(path) as ra_aid:
        session = ra_aid.add_session()
        asked = ra_aid.add_input("Fix the parser.", session_id=session)
        ra_aid.add("key_fact", content="The tests run with pytest.", human_input_id=asked)
        ra_aid.add(
            "key_snippet",
            filepath="src/parser.py",
            line_number=12,
            snippet="def parse(text):\n    return text\n",
            description="Where parsing begins.",
            human_input_id=asked,
        )
        ra_aid.add("research_note", content="# Parser\n\nIt has no error handling.", human_input_id=asked)
        work = {"session_id": session, "human_input_id": asked}
        ra_aid.add_record("read_file", "read_file_tool", {"filepath": "README.md"}, **work)
        ra_aid.add_record("tool_execution", "run_shell_command", {"command": "pytest", "timeout": 30}, **work)
        ra_aid.add_record("file_str_replace", "file_str_replace", {"filepath": "src/parser.py"}, **work)
        ra_aid.add_record("tool_execution", "run_shell_command", {"command": "pytest", "timeout": 30}, **work)
        ra_aid.add_record("task_completion", "task_completed", {"message": "The parser reports errors."}, **work)
