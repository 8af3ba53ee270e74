import { useEffect, useState } from "react";
import { sentenceOf } from "../failure";
import type { MemoryEntry } from "../protocol";
import type { SessionState } from "../store/session";
import { EntryCard } from "./EntryCard";
import { listGone, type Where } from "./http";

interface Props {
  where: Where;
  /** That of the last change: each may be one more, or one less. */
  seq: number;
  state: SessionState;
}

/** What was forgotten or replaced; all of it can be restored. */
export function Gone({ where: { project, scope }, seq, state }: Props) {
  const [entries, setEntries] = useState<readonly MemoryEntry[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change is a reason to look again.
  useEffect(() => {
    let gone = false;
    listGone({ project, scope }).then(
      (read) => gone || setEntries(read.reverse()),
      (failure) => gone || setError(sentenceOf(failure)),
    );
    return () => {
      gone = true;
    };
  }, [project, scope, seq]);
  if (error)
    return (
      <p role="alert" className="panel-empty text-bad">
        {error}
      </p>
    );
  if (!entries) return <p className="panel-empty">Loading …</p>;
  if (!entries.length) return <p className="panel-empty">Nothing was forgotten.</p>;
  return (
    <ul className="grid gap-2" aria-label="Forgotten entries">
      {entries.map((entry) => (
        <li key={entry.memory_id}>
          <EntryCard entry={entry} state={state} />
        </li>
      ))}
    </ul>
  );
}
