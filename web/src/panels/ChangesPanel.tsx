import { ChevronRight, GitBranch, HardDriveDownload } from "lucide-react";
import { useEffect, useState } from "react";
import { Failure, sentenceOf } from "../failure";
import { applyChanges, createBranch, readDiff } from "../http";
import { plural } from "../page/format";
import { useAction } from "../page/hooks";
import { currentTask, isOpen, type SessionState } from "../store/session";
import { DiffLines } from "../text/DiffLines";
import { type FileDiff, parseDiff } from "../text/diff";

const SETTLE_MS = 300;
const LONG_DIFF = 400;

/** All that the session has changed, and the way of it into the project. */
export function ChangesPanel({ state }: { state: SessionState }) {
  const { files, error } = useDiff(state.sessionId, state.changedSeq);
  if (state.changedSeq === 0) return <p className="panel-empty">Nothing is changed yet.</p>;
  if (error)
    return (
      <p role="alert" className="panel-empty text-bad">
        {error}
      </p>
    );
  if (!files) return <p className="panel-empty">Loading …</p>;
  if (!files.length) return <p className="panel-empty">Nothing is changed any more.</p>;
  return (
    <>
      <Apply state={state} files={files} />
      <div className="grid gap-2 p-3">
        {files.map((file) => (
          <OneFile key={file.path} file={file} openAtFirst={files.length <= 8 && file.lines.length <= LONG_DIFF} />
        ))}
      </div>
    </>
  );
}

function useDiff(sessionId: string, changedSeq: number): { files: FileDiff[] | null; error: string | null } {
  const [loaded, setLoaded] = useState<{ files: FileDiff[] | null; error: string | null }>({
    files: null,
    error: null,
  });
  useEffect(() => {
    if (changedSeq === 0) return;
    let gone = false;
    const load = async () => {
      try {
        const files = parseDiff(await readDiff(sessionId));
        if (!gone) setLoaded({ files, error: null });
      } catch (error) {
        if (!gone) setLoaded({ files: null, error: sentenceOf(error) });
      }
    };
    const waiting = setTimeout(load, SETTLE_MS);
    return () => {
      gone = true;
      clearTimeout(waiting);
    };
  }, [sessionId, changedSeq]);
  return loaded;
}

function Apply({ state, files }: { state: SessionState; files: readonly FileDiff[] }) {
  const [conflicts, setConflicts] = useState<readonly string[]>([]);
  const [branch, setBranch] = useState<string | null>(null);
  const apply = useAction(async () => {
    setConflicts([]);
    try {
      await applyChanges(state.sessionId);
    } catch (error) {
      if (error instanceof Failure) setConflicts(conflictsOf(error));
      throw error;
    }
  });
  const toBranch = useAction(async () => setBranch((await createBranch(state.sessionId)).branch));
  const running = isOpen(currentTask(state));
  const applied = state.appliedSeq > state.changedSeq;
  const additions = files.reduce((sum, file) => sum + file.additions, 0);
  const deletions = files.reduce((sum, file) => sum + file.deletions, 0);
  const error = apply.error ?? toBranch.error;
  return (
    <div className="sticky top-0 z-10 border-b border-line bg-surface p-3">
      <div className="flex flex-wrap items-center gap-2">
        <p className="grow text-sm">
          {plural(files.length, "file")} <span className="text-good">+{additions}</span>{" "}
          <span className="text-bad">−{deletions}</span>
        </p>
        <button
          type="button"
          className="button"
          disabled={toBranch.busy || running}
          onClick={() => void toBranch.run()}
        >
          <GitBranch size={15} aria-hidden /> To a branch
        </button>
        <button
          type="button"
          className="button button-main"
          disabled={apply.busy || running || applied}
          onClick={() => void apply.run()}
        >
          <HardDriveDownload size={15} aria-hidden /> {applied ? "Applied" : "Apply to the project"}
        </button>
      </div>
      {running && <p className="mt-1 text-xs text-muted">They can be applied when the task has ended.</p>}
      {branch && (
        <p role="status" className="mt-1 text-sm text-good">
          Written as the branch <code className="font-mono text-xs">{branch}</code>.
        </p>
      )}
      {error && (
        <div role="alert" className="mt-2 text-sm text-bad">
          {error}
          {conflicts.length > 0 && (
            <ul className="list-disc pl-5">
              {conflicts.map((conflict) => (
                <li key={conflict}>{conflict}</li>
              ))}
            </ul>
          )}
        </div>
      )}
    </div>
  );
}

function conflictsOf(failure: Failure): string[] {
  const { conflicts } = failure.details;
  if (!Array.isArray(conflicts)) return [];
  return conflicts.map((one) => (typeof one === "string" ? one : Object.values(one as object).join(": ")));
}

function OneFile({ file, openAtFirst }: { file: FileDiff; openAtFirst: boolean }) {
  const [open, setOpen] = useState(openAtFirst);
  return (
    <section className="card overflow-hidden" aria-label={file.path}>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex min-h-10 w-full items-center gap-2 px-3 text-left text-sm"
      >
        <ChevronRight size={14} className={`shrink-0 text-faint ${open ? "rotate-90" : ""}`} aria-hidden />
        <span className="min-w-0 grow truncate font-mono text-xs">{file.path}</span>
        {file.change !== "modified" && <span className="text-xs text-muted">{file.change}</span>}
        <span className="shrink-0 text-xs tabular-nums">
          <span className="text-good">+{file.additions}</span> <span className="text-bad">−{file.deletions}</span>
        </span>
      </button>
      {open && (
        <div className="border-t border-line">
          {file.binary ? (
            <p className="p-3 text-sm text-muted">A binary file.</p>
          ) : (
            <DiffLines lines={file.lines} label={`Changes of ${file.path}`} />
          )}
        </div>
      )}
    </section>
  );
}
