/** What a rewind takes back. */
import { changedFiles, type Item, isWithdrawn, type SessionState } from "../store/session";

export interface Undone {
  /** Files that were changed since. */
  readonly files: readonly string[];
  /** Tasks that were given since. */
  readonly tasks: readonly string[];
  /** How much else was said and done since. */
  readonly messages: number;
  readonly calls: number;
}

export function undoneBy(state: SessionState, toSeq: number): Undone {
  const since = state.items.filter((item) => item.seq > toSeq && !isWithdrawn(state, item.seq));
  const files = changedFiles(state).filter((file) => file.seq > toSeq);
  const count = (kind: Item["kind"]) => since.filter((item) => item.kind === kind).length;
  return {
    files: files.map((file) => file.path).sort(),
    tasks: since.flatMap((item) => (item.kind === "task" ? [item.request.content] : [])),
    messages: count("message"),
    calls: count("tool"),
  };
}
