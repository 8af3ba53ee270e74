import { ChevronRight, GitBranch, HardDriveDownload } from "lucide-react";
import { useEffect, useState } from "react";
import { Failure, sentenceOf } from "../failure";
import { applyChanges, createBranch, readDiff } from "../http";
import { plural } from "../page/format";
import { useAction, useRefusal } from "../page/hooks";
import { Segments } from "../page/Segments";
import { currentTask, isOpen, type SessionState } from "../store/session";
import { useStore } from "../store/store";
import { DiffLines } from "../text/DiffLines";
import { type FileDiff, parseDiff } from "../text/diff";
import { chooseDiffLook, type DiffLook, diffLook } from "./diff_look";
import { SplitLines } from "./SplitLines";
import { useViewed } from "./viewed";

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
      <Files key={state.sessionId} sessionId={state.sessionId} files={files} />
    </>
  );
}

const LOOKS: { value: DiffLook; word: string; about: string }[] = [
  { value: "unified", word: "Unified", about: "What goes above what comes" },
  { value: "split", word: "Split", about: "What was beside what is" },
];

function Files({ sessionId, files }: { sessionId: string; files: readonly FileDiff[] }) {
  const look = useStore(diffLook);
  const viewed = useViewed(sessionId);
  const [folds, setFolds] = useState<ReadonlyMap<string, boolean>>(new Map());
  const isOpen = (file: FileDiff) =>
    folds.get(file.path) ?? (!viewed.has(file) && files.length <= 8 && file.lines.length <= LONG_DIFF);
  const fold = (some: readonly FileDiff[], open: boolean) =>
    setFolds(new Map([...folds, ...some.map((file) => [file.path, open] as const)]));
  const anyOpen = files.some(isOpen);
  const seen = files.filter(viewed.has).length;
  return (
    <div className="grid gap-2 p-3">
      <div className="flex flex-wrap items-center gap-2">
        <Segments label="How to show changes" options={LOOKS} chosen={look} onChoose={chooseDiffLook} />
        <button type="button" className="button button-quiet" onClick={() => fold(files, !anyOpen)}>
          {anyOpen ? "Fold all" : "Unfold all"}
        </button>
        <span className="ml-auto text-xs text-muted">
          {seen} of {files.length} viewed
        </span>
      </div>
      {files.map((file) => (
        <OneFile
          key={file.path}
          file={file}
          look={look}
          open={isOpen(file)}
          onOpen={(open) => fold([file], open)}
          viewed={viewed.has(file)}
          onViewed={() => {
            fold([file], viewed.has(file));
            viewed.toggle(file);
          }}
        />
      ))}
    </div>
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
  /** How many files the last apply has written. */
  const [written, setWritten] = useState<number | null>(null);
  const [branch, setBranch] = useState<string | null>(null);
  const apply = useAction(async () => {
    setConflicts([]);
    setWritten(null);
    try {
      setWritten((await applyChanges(state.sessionId)).files.length);
    } catch (error) {
      if (error instanceof Failure) setConflicts(conflictsOf(error));
      throw error;
    }
  });
  const toBranch = useAction(async () => setBranch((await createBranch(state.sessionId)).branch));
  const whyNotApply = useRefusal(state, "decide");
  const whyNotBranch = useRefusal(state, "edit");
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
          disabled={toBranch.busy || running || whyNotBranch !== null}
          title={whyNotBranch ?? undefined}
          onClick={() => void toBranch.run()}
        >
          <GitBranch size={15} aria-hidden /> To a branch
        </button>
        <button
          type="button"
          className="button button-main"
          disabled={apply.busy || running || applied || whyNotApply !== null}
          onClick={() => void apply.run()}
        >
          <HardDriveDownload size={15} aria-hidden /> {applied ? "Applied" : "Apply to the project"}
        </button>
      </div>
      {whyNotApply && <p className="mt-1 text-xs text-muted">To apply them: {whyNotApply}</p>}
      {written !== null && (
        <p role="status" className="mt-1 text-sm text-good">
          {written ? `${plural(written, "file")} written into the project.` : "The project has all of it already."}
        </p>
      )}
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

interface FileProps {
  file: FileDiff;
  look: DiffLook;
  open: boolean;
  onOpen: (open: boolean) => void;
  viewed: boolean;
  onViewed: () => void;
}

function OneFile({ file, look, open, onOpen, viewed, onViewed }: FileProps) {
  return (
    <section className="card overflow-hidden" aria-label={file.path}>
      <div className="flex items-center">
        <button
          type="button"
          aria-expanded={open}
          onClick={() => onOpen(!open)}
          className="flex min-h-10 min-w-0 grow items-center gap-2 px-3 text-left text-sm"
        >
          <ChevronRight size={14} className={`shrink-0 text-faint ${open ? "rotate-90" : ""}`} aria-hidden />
          <span className={`min-w-0 grow truncate font-mono text-xs ${viewed ? "text-muted" : ""}`} title={file.path}>
            {file.path}
          </span>
          {file.change !== "modified" && <span className="text-xs text-muted">{file.change}</span>}
          <span className="shrink-0 text-xs tabular-nums">
            <span className="text-good">+{file.additions}</span> <span className="text-bad">−{file.deletions}</span>
          </span>
        </button>
        <label className="flex min-h-10 items-center gap-1.5 pr-3 text-xs text-muted">
          <input type="checkbox" className="size-4 accent-fill" checked={viewed} onChange={onViewed} />
          Viewed <span className="sr-only">{file.path}</span>
        </label>
      </div>
      {open && (
        <div className="border-t border-line">
          <Lines file={file} look={look} />
        </div>
      )}
    </section>
  );
}

function Lines({ file, look }: Pick<FileProps, "file" | "look">) {
  const label = `Changes of ${file.path}`;
  if (file.binary) return <p className="p-3 text-sm text-muted">A binary file.</p>;
  return look === "split" ? (
    <SplitLines lines={file.lines} label={label} />
  ) : (
    <DiffLines lines={file.lines} label={label} />
  );
}
