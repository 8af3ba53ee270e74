"""``audit``: the audit trail of a server or a database, as a file, and whether it is as it was written."""

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

from vgproject.cli.client import Client
from vgproject.cli.tasks import open_server
from vgproject.config import load_config
from vgproject.errors import BadInputError
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.audit import AuditRecord
from vgproject.utils.hash_chain import BrokenChainError, ChainCheck, canonical
from vgproject.utils.text import without_controls

PAGE = 1000
NUMBER = "audit_seq"
FORMULA = ("=", "+", "-", "@", "\t")
"""A spreadsheet computes a cell that begins so."""

Record = dict[str, Any]
ReadPage = Callable[[int], Any]
"""Awaited with a number, it gives the page after it."""


def export_audit(
    options: dict[str, Any],
    *,
    server: str | None,
    since: str | None,
    after: int,
    as_csv: bool,
    output: Path | None,
) -> int:
    """To ``output``, else to the standard output; the last record's number and hash go to the standard error."""

    async def run(target: TextIO) -> tuple[int, Record | None]:
        count, last = 0, None
        write = _csv_writer(target) if as_csv else _json_writer(target)
        async with _open_trail(options, server, since) as read_page:
            async for last in _records(read_page, after):
                write(last)
                count += 1
        return count, last

    if output:
        with output.open("w", newline="", encoding="utf-8") as target:
            count, last = asyncio.run(run(target))
    else:
        count, last = asyncio.run(run(sys.stdout))
    told = "There is no such record."
    if last:
        told = f"Records {last[NUMBER] - count + 1} to {last[NUMBER]}. The last one's hash is {last['hash']}."
    sys.stderr.write(f"{told}\n")
    return 0


def verify_audit(
    options: dict[str, Any], path: Path | None, *, server: str | None, after: int, head: str | None, seq: int | None
) -> int:
    """1 where a record is not as it was written. ``head`` is the hash that the record ``seq`` is known to have; the records
    begin after ``after``."""
    if (head is None) is not (seq is None):
        raise BadInputError("--head and --seq go together: the hash of a record, and its number.")
    known = {seq: head} if seq is not None and head is not None else {}
    check = ChainCheck(NUMBER, after=after, known=known)
    try:
        if path:
            _check_file(check, path)
        else:
            asyncio.run(_check_trail(check, options, server))
    except BrokenChainError as error:
        sys.stderr.write(f"The audit trail is broken: {without_controls(str(error))}\n")
        return 1
    if check.last == after:
        print("There are no such records.")
        return 0
    print(f"Records {after + 1} to {check.last} are as they were written. The last one's hash is {check.head}.")
    return 0


def _check_file(check: ChainCheck, path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BrokenChainError(check.last + 1, "is no JSON") from error
            if canonical(record) != line.rstrip("\n").encode():
                raise BrokenChainError(check.last + 1, "is not as `export` writes it")
            check.take(record if isinstance(record, dict) else {})
    check.finish()


async def _check_trail(check: ChainCheck, options: dict[str, Any], server: str | None) -> None:
    """Also against what the database itself says is the last record."""
    async with _open_trail(options, server, None) as read_page:
        while (page := await read_page(check.last))["records"]:
            for record in page["records"]:
                check.take(record)
    check.finish()
    if page["head_seq"] > check.last:
        raise BrokenChainError(check.last + 1, f"is missing, though {page['head_seq']} are said to be there")
    if page["head_seq"] < check.last:
        raise BrokenChainError(page["head_seq"] + 1, "was put in: the one before it is said to be the last")
    if page["head_hash"] != check.head:
        raise BrokenChainError(check.last, "is another than the one that is said to be the last")


async def _records(read_page: ReadPage, after: int) -> AsyncIterator[Record]:
    while records := (await read_page(after))["records"]:
        for record in records:
            yield record
        after = records[-1][NUMBER]


@asynccontextmanager
async def _open_trail(options: dict[str, Any], server: str | None, since: str | None) -> AsyncIterator[ReadPage]:
    """That of a database where one is named, else of a server."""
    loaded = load_config(options)
    if options.get("database_url"):
        database = Database(loaded.config.database())

        async def read_stored(after: int) -> Any:
            async with database.unit_of_work() as work:
                after = max(after, await work.audit.seq_before(since)) if since else after
                return (await work.audit.read(after=after, limit=PAGE)).model_dump()

        try:
            yield read_stored
        finally:
            await database.close()
        return
    async with open_server(loaded, server) as address:
        client = Client(address)

        async def read_page(after: int) -> Any:
            query = {"after": after, "limit": PAGE, **({"since": since} if since else {})}
            return await client.request("GET", "/v1/audit", params=query)

        yield read_page


def _json_writer(target: TextIO) -> Callable[[Record], None]:
    """One record a line, in the canonical form that its hash is made of."""
    return lambda record: print(canonical(record).decode(), file=target)


def _csv_writer(target: TextIO) -> Callable[[Record], None]:
    writer = csv.DictWriter(target, list(AuditRecord.model_fields), lineterminator="\n")
    writer.writeheader()

    def write(record: Record) -> None:
        writer.writerow({name: _cell(value) for name, value in record.items()})

    return write


def _cell(value: Any) -> str:
    text = canonical(value).decode() if isinstance(value, dict) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
