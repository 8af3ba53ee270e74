/**
 * Frames that have come since the page was drawn: they go into the store together, once for each animation frame, and
 * less often while a long log comes in, of which only the end is to be seen.
 */
import type { SessionFrame } from "../connection";
import type { Event } from "../protocol";
import { reduce, withOlder } from "./reduce";
import { emptySession, type SessionState } from "./session";
import { Store } from "./store";

const CATCHING_UP_MS = 150;

export class SessionStore extends Store<SessionState> {
  #waiting: SessionFrame[] = [];
  #head = 0;
  #seq = 0;
  #flushedAt = Number.NEGATIVE_INFINITY;

  constructor(
    sessionId: string,
    private readonly schedule: (flush: () => void) => void = nextFrame,
    private readonly now: () => number = () => performance.now(),
  ) {
    super(emptySession(sessionId));
  }

  take(frame: SessionFrame): void {
    if (frame.type === "subscribed") this.#head = frame.head_seq;
    if ("seq" in frame) this.#seq = frame.seq;
    this.#waiting.push(frame);
    if (this.#waiting.length === 1) this.schedule(() => this.#flush());
  }

  prepend(older: readonly Event[]): void {
    this.set(withOlder(this.get(), older));
  }

  #flush(): void {
    if (this.#seq < this.#head && this.now() - this.#flushedAt < CATCHING_UP_MS)
      return this.schedule(() => this.#flush());
    this.#flushedAt = this.now();
    const frames = this.#waiting;
    this.#waiting = [];
    this.set(reduce(this.get(), frames));
  }
}

/** A page in the background has no animation frames, and is to know all the same that it is needed. */
export function nextFrame(flush: () => void): void {
  if (document.hidden) setTimeout(flush, 250);
  else requestAnimationFrame(flush);
}
