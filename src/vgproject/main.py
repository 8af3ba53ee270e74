"""The command line: parse, and call one function. What a command needs is imported when it is called."""

import gc
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Literal, NoReturn, Optional, get_args

import typer

from vgproject.errors import VgprojectError
from vgproject.utils.text import without_controls

app = typer.Typer(help="The real-time server for autonomous software development.", no_args_is_help=True)
memory_app = typer.Typer(help="The project's memory.", no_args_is_help=True)
token_app = typer.Typer(help="API tokens.", no_args_is_help=True)
audit_app = typer.Typer(help="Who did what, when and from where.", no_args_is_help=True)
database_app = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(memory_app, name="memory")
app.add_typer(token_app, name="token")
app.add_typer(audit_app, name="audit")
app.add_typer(database_app, name="db")

Server = Annotated[Optional[str], typer.Option(help="The URL of a running server.")]  # noqa: UP045  (typer reads it)
Project = Annotated[Optional[Path], typer.Option(help="The directory to work on.")]  # noqa: UP045
Model = Annotated[Optional[list[str]], typer.Option(help="PROVIDER:NAME, or PHASE=PROVIDER:NAME for one phase.")]  # noqa: UP045
ApprovalsOption = Annotated[
    Optional[Literal["never", "on_request", "untrusted", "always"]],  # noqa: UP045
    typer.Option(help="When a tool call needs a person's word."),
]
DatabaseOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--database-url", help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE."),
]
Sandbox = Annotated[
    Optional[Literal["auto", "none"]],  # noqa: UP045
    typer.Option(help="In what commands run: the best that works here, or nothing at all."),
]
AcceptNoIsolation = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option("--accept-no-isolation", help="Said beside --sandbox none: commands may do all that you can."),
]
AllowHost = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(help="NAME, *.NAME or an address that commands may reach by HTTP(S), :PORT; may be repeated."),
]
ConfigFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="A configuration file in place of the project's, trusted like yours."),
]
PlanGate = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option("--plan-gate/--no-plan-gate", help="Wait for your word before the plan is followed."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print native events, one a line.")]
Plain = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Scope = Annotated[
    Literal["project", "user"], typer.Option(help="The project's memory, or your own, which others do not see.")
]
MemoryKindName = Literal["key_fact", "key_snippet", "research_note", "related_file", "work_log", "decision"]
Kinds = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(metavar=f"[{'|'.join(get_args(MemoryKindName))}]", help="Entries of this kind only; may be repeated."),
]
Tags = Annotated[Optional[list[str]], typer.Option(help="May be repeated.")]  # noqa: UP045
ConfidenceOption = Annotated[
    Optional[Literal["certain", "likely", "unsure"]],  # noqa: UP045
    typer.Option("--confidence", help="How sure it is."),
]
Reason = Annotated[Optional[str], typer.Option(help="Told with the change.")]  # noqa: UP045
MemoryId = Annotated[str, typer.Argument(metavar="ENTRY")]
SessionId = Annotated[str, typer.Argument(metavar="SESSION")]
MaybeSession = Annotated[Optional[str], typer.Argument(metavar="SESSION")]  # noqa: UP045


TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
NOT_OF_USAGE = frozenset({404, 409, 429})


def _call(function: str, *arguments: Any, **options: Any) -> NoReturn:
    """Call ``module:function``; its result is the exit code. An error is one sentence: 2 for bad usage, else 1."""
    try:
        code = _load(function)(*arguments, **options)
        sys.stdout.flush()
    except VgprojectError as error:
        sys.stderr.write(f"{without_controls(error.message)}\n")
        refused = 400 <= error.http_status < 500 and error.http_status not in NOT_OF_USAGE
        code = 2 if refused else 1
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
        _drop_output()
    except OSError as error:
        sys.stderr.write(f"It cannot go on: {error.strerror}{f' ({error.filename})' if error.filename else ''}.\n")
        code = 1
        _drop_output()
    sys.exit(code)


def _load(function: str) -> Callable[..., Any]:
    """Imported without garbage collection, which would find nothing in a fifth of the time that it all takes."""
    gc.disable()
    try:
        loaded: Callable[..., Any] = resolve_name(f"vgproject.cli.{function}")
        return loaded
    finally:
        gc.enable()


def _drop_output() -> None:
    """What could not be written would be tried again at the process's end, and fail with a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _hosts(given: list[str] | None) -> dict[str, Any]:
    return {"sandbox_limits": {"allowed_hosts": given}} if given else {}


def _given(**options: Any) -> dict[str, Any]:
    """Without what was not said."""
    return {name: value for name, value in options.items() if value is not None}


def _models(given: list[str] | None) -> dict[str, Any]:
    """``--model NAME`` and ``--model PHASE=NAME``."""
    options: dict[str, Any] = {}
    for value in given or []:
        phase, equals, name = value.partition("=")
        if equals and ":" not in phase:
            options.setdefault("models", {})[phase] = name
        else:
            options["model"] = value
    return options


@app.command()
def serve(
    host: Annotated[Optional[str], typer.Option()] = None,  # noqa: UP045
    port: Annotated[Optional[int], typer.Option()] = None,  # noqa: UP045
    model: Model = None,
    project: Project = None,
    approvals: ApprovalsOption = None,
    plan_gate: PlanGate = None,
    database_url: DatabaseOption = None,
    auth: Annotated[
        Optional[Literal["token", "jwt"]],  # noqa: UP045
        typer.Option(help="Whose tokens count: those of this server, or also JWTs as [jwt] describes them."),
    ] = None,
    sandbox: Sandbox = None,
    accept_no_isolation: AcceptNoIsolation = None,
    allow_host: AllowHost = None,
    tls_cert: Annotated[Optional[Path], typer.Option(help="A certificate as PEM: the server speaks TLS.")] = None,  # noqa: UP045
    tls_key: Annotated[Optional[Path], typer.Option(help="Its key as PEM.")] = None,  # noqa: UP045
    log_format: Annotated[Optional[Literal["text", "json"]], typer.Option()] = None,  # noqa: UP045
    config: ConfigFile = None,
) -> None:
    """Run the server; prints one line with its URL when it is ready."""
    options = {"host": host, "port": port, "project": project, "approvals": approvals, "log_format": log_format}
    options |= {"database_url": database_url, "sandbox": sandbox, "accept_no_isolation": accept_no_isolation}
    options |= {"config": config, "plan_gate": plan_gate, "auth": auth, "tls_cert": tls_cert}
    options |= {"tls_key": tls_key}
    _call("tasks:serve", {**options, **_hosts(allow_host), **_models(model)})


@app.command()
def run(
    task: str,
    project: Project = None,
    research_only: Annotated[bool, typer.Option("--research-only")] = False,
    plan_only: Annotated[bool, typer.Option("--plan-only")] = False,
    model: Model = None,
    test_command: Annotated[Optional[str], typer.Option()] = None,  # noqa: UP045
    max_cost: Annotated[Optional[float], typer.Option(help="In USD.")] = None,  # noqa: UP045
    approvals: ApprovalsOption = None,
    plan_gate: PlanGate = None,
    sandbox: Sandbox = None,
    accept_no_isolation: AcceptNoIsolation = None,
    allow_host: AllowHost = None,
    yes: Annotated[bool, typer.Option("--yes", help="The same as --approvals never.")] = False,
    take_uncommitted: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--take-uncommitted", help="Begin with the checkout's uncommitted work."),
    ] = None,
    carry: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="An ignored file or directory to begin with, as .env; may be repeated."),
    ] = None,
    as_json: AsJson = False,
    server: Server = None,
    config: ConfigFile = None,
) -> None:
    """Give a task and show it live."""
    options = {
        "project": project,
        "config": config,
        "test_command": test_command,
        "max_cost_usd": max_cost,
        "approvals": "never" if yes else approvals,
        "plan_gate": plan_gate,
        "take_uncommitted": take_uncommitted,
        "carry": carry or None,
        "sandbox": sandbox,
        "accept_no_isolation": accept_no_isolation,
        **_hosts(allow_host),
        **_models(model),
    }
    request = {"research_only": research_only, "plan_only": plan_only}
    _call("tasks:run", task, options, request, server=server, as_json=as_json)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server up.")] = False,
    model: Annotated[Optional[str], typer.Option(help="A real model instead of the scripted one.")] = None,  # noqa: UP045
    memory: Annotated[bool, typer.Option("--memory", help="What one task learns the next one knows.")] = False,
) -> None:
    """The main job on a sample repository: no key, no network."""
    if memory and (keep or model):
        raise typer.BadParameter("--memory goes with neither --keep nor --model.")
    if memory:
        _call("memory_demo:run_memory_demo")
    else:
        _call("demo:run_demo", model=model, keep=keep)


@app.command()
def attach(session: SessionId, server: Server = None, as_json: AsJson = False) -> None:
    """Follow a session's task live."""
    _call("tasks:attach", session, {}, server=server, as_json=as_json)


@app.command()
def sessions(server: Server = None, as_json: AsJson = False) -> None:
    """List the sessions: which need you, which run, which are done."""
    _call("session_table:list_sessions", {}, server=server, as_json=as_json)


@app.command()
def events(
    session: SessionId,
    after: Annotated[int, typer.Option(min=0)] = 0,
    follow: Annotated[bool, typer.Option("--follow")] = False,
    as_json: AsJson = False,
    server: Server = None,
) -> None:
    """Show a session's events."""
    _call("sessions:show_events", session, {}, server=server, after=after, follow=follow, as_json=as_json)


@app.command()
def diff(session: MaybeSession = None, server: Server = None) -> None:
    """Show what a session (by default the last) has changed."""
    _call("sessions:show_diff", session, {}, server=server)


@app.command()
def apply(session: MaybeSession = None, server: Server = None) -> None:
    """Put a session's changes into the project, all or none."""
    _call("sessions:apply_changes", session, {}, server=server)


@app.command()
def branch(session: MaybeSession = None, server: Server = None) -> None:
    """Write a session's changes as a branch of the project, without touching the checkout."""
    _call("sessions:create_branch", session, {}, server=server)


@app.command()
def workspaces(server: Server = None) -> None:
    """List what the sessions hold on disk, and what of it is not applied."""
    _call("sessions:list_workspaces", {}, server=server)


@app.command()
def delete(
    session: SessionId,
    force: Annotated[bool, typer.Option("--force", help="Also with changes that are not applied.")] = False,
    server: Server = None,
) -> None:
    """Delete a session with its files."""
    _call("sessions:delete_session", session, {}, server=server, force=force)


@app.command()
def replay(
    session: SessionId,
    task: Annotated[Optional[str], typer.Option(help="Report this task only.")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    server: Server = None,
) -> None:
    """Run a session again from its recorded model replies, in a scratch copy; exit code 1 where it now differs."""
    _call("replay:replay", session, {}, task_id=task, server=server, as_json=as_json)


@app.command()
def doctor(project: Project = None, model: Model = None, config: ConfigFile = None) -> None:
    """Print every setting with its source, and what does not work on this machine."""
    _call("machine:examine", {"project": project, "config": config, **_models(model)})


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    _call("machine:print_openapi", {})


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of the WebSocket."""
    _call("machine:print_asyncapi")


@database_app.command("upgrade")
def upgrade(database_url: DatabaseOption = None) -> None:
    """Bring the database up to date."""
    _call("machine:upgrade_database", {"database_url": database_url})


@memory_app.command("list")
def list_memory(
    kind: Kinds = None,
    tag: Annotated[Optional[str], typer.Option(help="Entries with this tag only.")] = None,  # noqa: UP045
    status: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="[active|superseded|forgotten]", help="By default active; may be repeated."),
    ] = None,
    limit: Annotated[Optional[int], typer.Option(min=1, help="By default all.")] = None,  # noqa: UP045
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """List what is known about the project."""
    which, query = {"project": project, "scope": scope}, _given(kind=kind, tag=tag, status=status)
    _call("memory:list_entries", which, query, server=server, limit=limit, as_json=as_json)


@memory_app.command("search")
def search_memory(
    query: str,
    kind: Kinds = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Find what is known about something."""
    which, asked = {"project": project, "scope": scope}, _given(q=query, kind=kind, limit=limit)
    _call("memory:search", which, asked, server=server, as_json=as_json)


@memory_app.command("show")
def show_memory(memory_id: MemoryId, server: Server = None, as_json: Plain = False) -> None:
    """Show all about one entry."""
    _call("memory:show", memory_id, server=server, as_json=as_json)


@memory_app.command("add")
def add_memory(
    content: str,
    kind: Annotated[MemoryKindName, typer.Option()] = "key_fact",
    tag: Tags = None,
    confidence: ConfidenceOption = None,
    replaces: Annotated[Optional[list[str]], typer.Option(help="An entry whose place it takes.")] = None,  # noqa: UP045
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Add an entry by hand."""
    body = _given(content=content, kind=kind, tags=tag, confidence=confidence, replaces=replaces)
    _call("memory:add", {"project": project, "scope": scope}, body, server=server, as_json=as_json)


@memory_app.command("edit")
def edit_memory(
    memory_id: MemoryId,
    content: Annotated[Optional[str], typer.Argument()] = None,  # noqa: UP045
    kind: Annotated[Optional[MemoryKindName], typer.Option()] = None,  # noqa: UP045
    tag: Tags = None,
    confidence: ConfidenceOption = None,
    version: Annotated[Optional[int], typer.Option(min=1, help="The one that is meant; default: the current.")] = None,  # noqa: UP045
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Change an entry's text, kind, tags or confidence."""
    changes = _given(content=content, kind=kind, tags=tag, confidence=confidence)
    _call("memory:edit", memory_id, changes, version=version, server=server, as_json=as_json)


@memory_app.command("forget")
def forget_memory(
    memory_id: MemoryId,
    reason: Reason = None,
    version: Annotated[Optional[int], typer.Option(min=1, help="The one that is meant; default: any.")] = None,  # noqa: UP045
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Forget an entry; it can be restored."""
    query = _given(reason=reason, version=version)
    _call("memory:forget", memory_id, query, server=server, as_json=as_json)


@memory_app.command("restore")
def restore_memory(
    memory_id: MemoryId,
    to_version: Annotated[Optional[int], typer.Option(min=1, help="By default as it was last.")] = None,  # noqa: UP045
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Make a forgotten or superseded entry known again, or an older version the current one."""
    _call("memory:restore", memory_id, _given(to_version=to_version), server=server, as_json=as_json)


@memory_app.command("history")
def show_history(memory_id: MemoryId, server: Server = None, as_json: Plain = False) -> None:
    """Show every version of an entry: who changed what, when and why."""
    _call("memory:show_history", memory_id, server=server, as_json=as_json)


@memory_app.command("conflicts")
def list_conflicts(
    settle: Annotated[
        Optional[tuple[str, str]],  # noqa: UP045
        typer.Option(metavar="CONFLICT keep_first|keep_second|keep_both|rewrite", help="Say which entry is right."),
    ] = None,
    content: Annotated[Optional[str], typer.Option(help="With rewrite: what takes the place of both.")] = None,  # noqa: UP045
    reason: Reason = None,
    settled: Annotated[bool, typer.Option("--settled", help="List those that are settled too.")] = False,
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """List the entries that contradict each other, or settle which is right."""
    if settle:
        conflict_id, settlement = settle
        body = _given(settlement=settlement, content=content, reason=reason)
        _call("memory:settle", conflict_id, body, server=server, as_json=as_json)
    which = {"project": project, "scope": scope}
    _call("memory:list_conflicts", which, settled=settled, server=server, as_json=as_json)


@memory_app.command("export")
def export_memory(
    path: Annotated[Path, typer.Argument(help="A directory for Markdown files, or a file that ends in .json.")],
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
) -> None:
    """Write what is known as files that can be kept in a git repository."""
    _call("memory_files:export_memory", {"project": project, "scope": scope}, path, server=server)


@memory_app.command("import")
def import_memory(
    path: Annotated[
        Path, typer.Argument(exists=True, help="What `export` wrote, or RA.Aid's directory .ra-aid or its pk.db.")
    ],
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Merge what files say into what is known."""
    which = {"project": project, "scope": scope}
    _call("memory_files:import_memory", which, path, server=server, as_json=as_json)


@memory_app.command("clean-up")
def clean_up_memory(
    forget: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="[stale|unused|excess]", help="Forget what is proposed for this reason; may be repeated."),
    ] = None,
    undo: Annotated[Optional[str], typer.Option(metavar="CLEAN-UP", help="Restore what it forgot.")] = None,  # noqa: UP045
    scope: Scope = "project",
    project: Project = None,
    server: Server = None,
    as_json: Plain = False,
) -> None:
    """Show what could be forgotten, forget it, or undo that."""
    which = {"project": project, "scope": scope}
    _call("memory_files:clean_up", which, forget=forget, undo=undo, server=server, as_json=as_json)


@memory_app.command("watch")
def watch_memory(
    scope: Scope = "project", project: Project = None, server: Server = None, as_json: Plain = False
) -> None:
    """Print what is known, then each change of it, until you stop it."""
    _call("memory:watch", {"project": project, "scope": scope}, server=server, as_json=as_json)


@token_app.command("create")
def create_token(
    user: Annotated[str, typer.Argument(help="Who is known by it.")],
    role: Annotated[
        Literal["viewer", "editor", "approver", "owner"], typer.Option(help="The most it may do.")
    ] = "editor",
    expires: Annotated[str, typer.Option(help="As 12h, 90d or never.")] = "90d",
    name: Annotated[Optional[str], typer.Option(help="What it is for.")] = None,  # noqa: UP045
    server: Server = None,
) -> None:
    """Make a token and print it, once."""
    _call("tokens:create_token", user, {}, role=role, expires=expires, name=name, server=server)


@token_app.command("list")
def list_tokens(server: Server = None, as_json: AsJson = False) -> None:
    """List the tokens."""
    _call("tokens:list_tokens", {}, server=server, as_json=as_json)


@token_app.command("revoke")
def revoke_token(token_id: Annotated[str, typer.Argument(metavar="TOKEN_ID")], server: Server = None) -> None:
    """Revoke a token; what is connected with it is closed."""
    _call("tokens:revoke_token", token_id, {}, server=server)


@audit_app.command("export")
def export_audit(
    since: Annotated[
        Optional[datetime],  # noqa: UP045
        typer.Option(help="From the first record of this time (UTC) on.", formats=TIMES),
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="The records after this number.")] = 0,
    form: Annotated[Literal["jsonl", "csv"], typer.Option("--format", help="Only jsonl can be verified.")] = "jsonl",
    output: Annotated[Optional[Path], typer.Option(help="A file; default: the standard output.")] = None,  # noqa: UP045
    database_url: DatabaseOption = None,
    server: Server = None,
) -> None:
    """Write the audit trail, and tell the last record's number and hash: keep them elsewhere."""
    moment = since.strftime("%Y-%m-%dT%H:%M:%S.000Z") if since else None
    options, as_csv = {"database_url": database_url}, form == "csv"
    _call("audit:export_audit", options, server=server, since=moment, after=after, as_csv=as_csv, output=output)


@audit_app.command("verify")
def verify_audit(
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(exists=True, dir_okay=False, help="What `export` wrote; default: the server's own trail."),
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="The number that the records come after.")] = 0,
    head: Annotated[Optional[str], typer.Option(help="The hash that a record is known to have.")] = None,  # noqa: UP045
    seq: Annotated[Optional[int], typer.Option(min=1, help="That record's number.")] = None,  # noqa: UP045
    database_url: DatabaseOption = None,
    server: Server = None,
) -> None:
    """Find the first record that was changed, left out, put in or moved; exit code 1 where there is one."""
    _call("audit:verify_audit", {"database_url": database_url}, file, server=server, after=after, head=head, seq=seq)


if __name__ == "__main__":
    app()
