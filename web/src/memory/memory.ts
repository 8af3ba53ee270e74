/** A memory as the page knows it: a value; `reduceMemory` makes the next from what the server says. */
import type { MemoryFrame } from "../connection";
import type { MemoryEntry } from "../protocol";

export interface MemoryState {
  /** Those that are known now, by id, in the order they came. */
  readonly entries: ReadonlyMap<string, MemoryEntry>;
  /** The last change that is in here; 0 until the whole state is. */
  readonly seq: number;
  readonly epoch: string | null;
  readonly loaded: boolean;
}

export const emptyMemory: MemoryState = { entries: new Map(), seq: 0, epoch: null, loaded: false };

/** What the server begins with: whether the state follows, or only what has changed since. */
export interface Beginning {
  readonly type: "begin";
  readonly epoch: string;
  readonly fresh: boolean;
}

export function reduceMemory(state: MemoryState, frames: readonly (MemoryFrame | Beginning)[]): MemoryState {
  const entries = new Map(state.entries);
  let { seq, epoch, loaded } = state;
  for (const frame of frames)
    switch (frame.type) {
      case "begin":
        epoch = frame.epoch;
        if (!frame.fresh) break;
        entries.clear();
        seq = 0;
        loaded = false;
        break;
      case "memory_snapshot":
        for (const entry of frame.entries) entries.set(entry.memory_id, entry);
        if (frame.more) break;
        seq = frame.memory_seq;
        loaded = true;
        break;
      case "memory_added":
      case "memory_updated":
      case "memory_forgotten":
        if (!loaded || frame.memory_seq <= seq) break;
        seq = frame.memory_seq;
        if (frame.entry.status === "active" || frame.entry.status === undefined)
          entries.set(frame.entry.memory_id, frame.entry);
        else entries.delete(frame.entry.memory_id);
        break;
      default: {
        const unknown: never = frame;
        return unknown;
      }
    }
  return { entries, seq, epoch, loaded };
}
