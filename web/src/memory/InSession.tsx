import { TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import { capital } from "../page/format";
import type { MemoryEntry, MemoryMergedData, RecalledEntry } from "../protocol";
import type { SessionState } from "../store/session";
import { EventLink } from "../timeline/EventLink";
import type { MemoryState } from "./memory";
import { memoryOfPhases } from "./recalled";
import { KINDS, placeWords } from "./words";

interface Props {
  memory: MemoryState;
  state: SessionState;
  onEntry: (id: string) => void;
}

/** What each phase was given of the memory and why, and what it added to it. */
export function InSession({ memory, state, onEntry }: Props) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of items is what counts.
  const phases = useMemo(() => memoryOfPhases(state), [state.items]);
  if (!phases.length)
    return (
      <p className="panel-empty">No phase of this session was given anything from memory, and none has added to it.</p>
    );
  return (
    <div className="grid gap-5">
      {phases.map(({ key, phase, task, given, added }) => (
        <section key={key} aria-label={`Memory of ${phase}`}>
          <h2 className="text-sm font-semibold">{capital(phase || "The task")}</h2>
          <p className="mb-1.5 truncate text-xs text-muted" title={task}>
            {task}
          </p>
          {given.length > 0 && (
            <>
              <h3 className="label mt-2">Was given</h3>
              <ul className="grid gap-1.5" aria-label={`What ${phase} was given`}>
                {given.map(({ seq, entry }) => (
                  <Given key={`${seq}/${entry.memory_id}`} entry={entry} onEntry={onEntry} />
                ))}
              </ul>
            </>
          )}
          {added.map(({ seq, merged }) => (
            <Added key={seq} merged={merged} memory={memory} onEntry={onEntry} phase={phase} />
          ))}
          <p className="mt-1 flex gap-2">
            {[...new Set([...given, ...added].map(({ seq }) => seq))].map((seq) => (
              <EventLink key={seq} seq={seq} time={timeOf(state, seq)} />
            ))}
          </p>
        </section>
      ))}
    </div>
  );
}

function timeOf(state: SessionState, seq: number): string {
  return state.items.find((item) => item.seq === seq)?.time ?? "";
}

function Given({ entry, onEntry }: { entry: RecalledEntry; onEntry: Props["onEntry"] }) {
  const kind = KINDS[entry.kind as MemoryEntry["kind"]] ?? entry.kind;
  return (
    <li className="card p-2.5">
      <p className="text-xs text-accent">
        <span className="font-medium">Why:</span> {entry.reason}
      </p>
      <button
        type="button"
        className="mt-1 block w-full text-left hover:text-accent"
        onClick={() => onEntry(entry.memory_id)}
      >
        <span className="line-clamp-4 text-sm break-words whitespace-pre-wrap">{entry.content}</span>
        <span className="mt-1 flex flex-wrap gap-1.5 text-xs text-muted">
          {kind}
          {entry.confidence && <span>· {entry.confidence}</span>}
          {entry.place && <span className="font-mono break-all">· {placeWords(entry.place)}</span>}
        </span>
      </button>
      {entry.stale && (
        <p className="mt-1 flex items-center gap-1 text-xs text-warn">
          <TriangleAlert size={12} aria-hidden /> {entry.file_now ?? "The file says otherwise now."}
        </p>
      )}
    </li>
  );
}

const GROUPS: { title: string; ids: (merged: MemoryMergedData) => readonly string[] }[] = [
  { title: "Added", ids: (merged) => merged.added },
  { title: "Said again", ids: (merged) => merged.merged ?? [] },
  { title: "Replaced", ids: (merged) => merged.superseded ?? [] },
  { title: "Contradicts what is known", ids: (merged) => merged.conflicting ?? [] },
];

interface AddedProps {
  merged: MemoryMergedData;
  memory: MemoryState;
  phase: string;
  onEntry: Props["onEntry"];
}

function Added({ merged, memory, phase, onEntry }: AddedProps) {
  return (
    <>
      {GROUPS.filter(({ ids }) => ids(merged).length).map(({ title, ids }) => (
        <div key={title}>
          <h3 className="label mt-2">{title}</h3>
          <ul className="grid gap-1" aria-label={`${title} by ${phase}`}>
            {ids(merged).map((id) => (
              <li key={id}>
                <button
                  type="button"
                  className="card block min-h-9 w-full px-2.5 py-1.5 text-left text-sm hover:text-accent"
                  onClick={() => onEntry(id)}
                >
                  <span className="line-clamp-3 break-words">
                    {memory.entries.get(id)?.content ?? "An entry that is not known any more"}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {(merged.refused ?? 0) > 0 && <p className="mt-1 text-xs text-warn">{merged.refused} notes were not taken.</p>}
    </>
  );
}
