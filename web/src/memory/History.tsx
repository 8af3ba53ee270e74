import { useEffect, useState } from "react";
import { sentenceOf } from "../failure";
import { useAction } from "../page/hooks";
import type { MemoryChange, MemoryEntry } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { DiffLines } from "../text/DiffLines";
import { compareTexts } from "../text/diff";
import { readHistory } from "./http";
import { OriginLine } from "./OriginLine";
import { CHANGES, day } from "./words";

interface Props {
  entry: MemoryEntry;
  state: SessionState;
  /** Why this person may change nothing. */
  why: string | null;
}

/** Every version of an entry, the newest first; an older one can be made the current one again. */
export function History({ entry, state, why }: Props) {
  const [changes, setChanges] = useState<readonly MemoryChange[]>([]);
  const [error, setError] = useState<string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each version is one more line.
  useEffect(() => {
    let gone = false;
    const show = (read: MemoryChange[]) => gone || setChanges(read);
    readHistory(entry.memory_id).then(show, (failure) => gone || setError(sentenceOf(failure)));
    return () => {
      gone = true;
    };
  }, [entry.memory_id, entry.version]);
  if (error) return <p className="mt-2 text-sm text-bad">{error}</p>;
  return (
    <ol className="mt-2 grid gap-2 border-t border-line pt-2" aria-label="History">
      {changes
        .map((change, index) => (
          <Version
            key={change.memory_seq}
            change={change}
            before={changes[index - 1] ?? null}
            state={state}
            why={why}
            now={entry}
          />
        ))
        .reverse()}
    </ol>
  );
}

interface VersionProps extends Omit<Props, "entry"> {
  change: MemoryChange;
  before: MemoryChange | null;
  now: MemoryEntry;
}

function Version({ change, before, state, why, now }: VersionProps) {
  const client = useClient();
  const { version, content, memory_id: memoryId } = change.entry;
  const restore = useAction(() =>
    client.send({ type: "restore_memory", session_id: state.sessionId, memory_id: memoryId, to_version: version }),
  );
  const changed = before && before.entry.content !== content;
  return (
    <li className="text-xs text-muted">
      <p className="flex flex-wrap items-center gap-x-1.5">
        <span className="font-medium text-ink">
          {version}. {CHANGES[change.change]}
        </span>
        by {change.actor.id}, {day(change.time)}
        {before === null && (
          <>
            , <OriginLine origin={change.origin} state={state} />
          </>
        )}
        <span className="grow" />
        {version !== now.version && (
          <button
            type="button"
            className="min-h-7 rounded px-1.5 text-accent hover:underline disabled:opacity-60"
            disabled={restore.busy || why !== null}
            title={why ?? undefined}
            onClick={() => void restore.run()}
          >
            Restore version {version}
          </button>
        )}
      </p>
      {change.reason && <p className="break-words">{change.reason}</p>}
      {before === null && <p className="break-words whitespace-pre-wrap text-ink">{content}</p>}
      {changed && (
        <DiffLines lines={compareTexts(before.entry.content, content)} label={`What version ${version} changed`} />
      )}
      {restore.error && (
        <p role="alert" className="text-bad">
          {restore.error}
        </p>
      )}
    </li>
  );
}
