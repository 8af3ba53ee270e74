"""A session's changes as a branch of the user's repository, without touching work tree, index or HEAD."""

from pathlib import Path

from vgproject.errors import BadInputError, ConflictError
from vgproject.workspace.git import join_paths, run_git
from vgproject.workspace.merge import File, FileConflictError, merge_file
from vgproject.workspace.repository import Repository, find_repository
from vgproject.workspace.shadow import Entry
from vgproject.workspace.workspace import Workspace


async def create_branch(workspace: Workspace, name: str) -> str:
    """The branch ``vgproject/NAME``: a commit with the session's changes on the commit that it began with.

    Uncommitted work that was taken along is a commit of its own below it. Made again, the branch is moved. Raises
    `BadInputError` (``no_repository``) and `ConflictError` (``branch_checked_out``).
    """
    repository = await find_repository(workspace.project)
    origin, shadow = workspace.origin, workspace.shadow
    if repository is None or origin.commit is None:
        raise BadInputError("The project is no git repository with a commit: it has no branches.", code="no_repository")
    branch = f"vgproject/{name}"
    await _check_free(repository, branch)
    now = (await workspace.checkpoint("branch")).id
    index = BranchIndex(workspace)
    parent = origin.commit
    await index.read(parent)
    if origin.uncommitted:
        taken = set(origin.uncommitted)
        entries = [entry for entry in await shadow.list_entries(origin.commit, origin.base) if entry.path in taken]
        await index.put(entries)
        parent = await index.commit(parent, "Uncommitted work that the session began with")
    await index.put(await shadow.list_entries(origin.base, now))
    commit = await index.commit(parent, f"Changes of session {name}")
    wanted = f"{commit}\n^{origin.commit}\n".encode()
    pack = await shadow.git("pack-objects", "--revs", "--stdout", "-q", stdin=wanted)
    await repository.run("unpack-objects", "-q", stdin=pack)
    await repository.run("update-ref", f"refs/heads/{branch}", commit)
    return branch


async def _check_free(repository: Repository, branch: str) -> None:
    place = (await repository.run("for-each-ref", "--format=%(worktreepath)", f"refs/heads/{branch}")).decode().strip()
    if place:
        raise ConflictError(
            f"The branch {branch} is checked out in {place}: switch to another one there, then try again.",
            code="branch_checked_out",
        )


class BranchIndex:
    """An index beside the checkpoints' one, in which the commits of a branch are put together."""

    def __init__(self, workspace: Workspace) -> None:
        self._shadow = workspace.shadow
        self._environment = {"GIT_INDEX_FILE": str(workspace.shadow.directory / "branch.index")}
        self._scratch = workspace.scratch()

    async def read(self, commit: str) -> None:
        await self._git("read-tree", commit)

    async def put(self, entries: list[Entry]) -> None:
        lines = [await self._line(entry) for entry in entries]
        await self._git("update-index", "--add", "--replace", "-z", "--index-info", stdin=join_paths(lines))

    async def commit(self, parent: str, message: str) -> str:
        tree = (await self._git("write-tree", "--missing-ok")).decode().strip()
        return (await self._git("commit-tree", tree, "-p", parent, "-m", message)).decode().strip()

    async def _line(self, entry: Entry) -> str:
        """The entry as it is to be committed: with the line ends that the commit has, not those of the checkout."""
        if entry.new_mode is None:
            return f"0 {'0' * len(entry.new)}\t{entry.path}"
        return f"{entry.new_mode} {await self._blob(entry)} 0\t{entry.path}"

    async def _blob(self, entry: Entry) -> str:
        listed = (await self._git("ls-files", "--stage", "-z", "--", f":(literal,top){entry.path}")).decode(
            errors="surrogateescape"
        )
        if not listed or entry.old_mode is None or listed.split(" ")[1] == entry.old:
            return entry.new
        committed, base, session = [
            File(entry.old_mode, await self._shadow.read_blob(blob))
            for blob in (listed.split(" ")[1], entry.old, entry.new)
        ]
        try:
            merged = await merge_file(base, session, committed, self._scratch)
        except FileConflictError:
            return entry.new
        content = merged.content if merged else b""
        return (await self._git("hash-object", "-w", "--stdin", stdin=content)).decode().strip()

    async def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        directory: Path = self._shadow.directory
        return await run_git(
            f"--git-dir={directory}", *arguments, cwd=directory, stdin=stdin, environment=self._environment
        )
