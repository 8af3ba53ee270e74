/** What the log says of memory: which entries each phase was given and why, and what it added. */
import type { Event, MemoryMergedData, RecalledEntry } from "../protocol";
import type { SessionState } from "../store/session";

export interface PhaseMemory {
  readonly key: string;
  readonly phase: string;
  readonly task: string;
  readonly given: readonly { readonly seq: number; readonly entry: RecalledEntry }[];
  readonly added: readonly { readonly seq: number; readonly merged: MemoryMergedData }[];
}

type About = Extract<Event, { type: "memory_recalled" | "memory_merged" }>;

/** In the order of the log. */
export function memoryOfPhases(state: SessionState): PhaseMemory[] {
  const phases = new Map<string, PhaseMemory>();
  for (const event of memoryEvents(state)) {
    const key = `${event.task_id}/${event.phase}`;
    const task = state.tasks.find((one) => one.id === event.task_id)?.request.content ?? "";
    const known = phases.get(key) ?? { key, phase: event.phase ?? "", task, given: [], added: [] };
    const { seq } = event;
    if (event.type === "memory_merged")
      phases.set(key, { ...known, added: [...known.added, { seq, merged: event.data }] });
    else phases.set(key, { ...known, given: [...known.given, ...event.data.entries.map((entry) => ({ seq, entry }))] });
  }
  return [...phases.values()].filter((one) => one.given.length || one.added.some(({ merged }) => idsOf(merged).length));
}

/** Entries that this session's files say otherwise of, by id. */
export function staleReasons(state: SessionState): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const event of memoryEvents(state))
    if (event.type === "memory_recalled")
      for (const entry of event.data.entries)
        if (entry.stale) reasons.set(entry.memory_id, entry.file_now ?? "The file says otherwise now.");
        else reasons.delete(entry.memory_id);
  return reasons;
}

export function idsOf({ added, merged, superseded, conflicting }: MemoryMergedData): string[] {
  return [...new Set([...added, ...(merged ?? []), ...(superseded ?? []), ...(conflicting ?? [])])];
}

function memoryEvents(state: SessionState): About[] {
  return state.items.flatMap((item) =>
    item.kind === "event" && (item.event.type === "memory_recalled" || item.event.type === "memory_merged")
      ? [item.event]
      : [],
  );
}
