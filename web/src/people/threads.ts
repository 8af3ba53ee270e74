/** Which remarks belong where on the page, and which threads the person has opened. */
import { createContext, useContext, useMemo, useRef, useState } from "react";
import type { Comment, SessionState } from "../store/session";
import { shownItems } from "../timeline/rows";

export interface Threads {
  /** By place: a row of the timeline, or a step of a plan. */
  readonly comments: ReadonlyMap<string, readonly Comment[]>;
  readonly opened: string | null;
  /** `null` closes it. */
  open(place: string | null): void;
  /** What is written and not sent, by place: rows leave the page when they are scrolled away. */
  readonly drafts: Map<string, string>;
}

const NONE: readonly Comment[] = [];

export const rowPlace = (seq: number) => `row:${seq}`;
export const stepPlace = (taskId: string, stepId: string) => `step:${taskId}:${stepId}`;

export function placeComments(state: SessionState): Map<string, Comment[]> {
  const places = new Map<string, Comment[]>();
  if (!state.comments.length) return places;
  const rows = shownItems(state);
  for (const comment of state.comments) {
    const place = placeOf(comment, rows);
    if (place) places.set(place, [...(places.get(place) ?? []), comment]);
  }
  return places;
}

/** An event without a row of its own is shown by the row before it; `null` where that is not loaded. */
function placeOf({ seq, step }: Comment, rows: readonly { seq: number }[]): string | null {
  if (step) return stepPlace(step.taskId ?? "", step.stepId);
  const row = rows.findLast((one) => one.seq <= (seq ?? 0));
  return row ? rowPlace(row.seq) : null;
}

const Context = createContext<Threads | null>(null);
export const ThreadsProvider = Context.Provider;

export function useThreadsOf(state: SessionState): Threads {
  const [opened, open] = useState<string | null>(null);
  const drafts = useRef(new Map<string, string>());
  // biome-ignore lint/correctness/useExhaustiveDependencies: without comments, a change of items changes nothing.
  const comments = useMemo(() => placeComments(state), [state.comments, state.comments.length ? state.items : null]);
  return useMemo(() => ({ comments, opened, open, drafts: drafts.current }), [comments, opened]);
}

/** What is said at one place; `null` where nobody can say anything. */
export function useThread(place: string) {
  const threads = useContext(Context);
  if (!threads) return null;
  const comments = threads.comments.get(place) ?? NONE;
  const unresolved = comments.filter((comment) => comment.resolvedBy === null).length;
  const isOpened = threads.opened === place;
  return { threads, comments, unresolved, isOpened, isShown: isOpened || unresolved > 0 };
}
