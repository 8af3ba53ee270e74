/** Frames that have come since the page was drawn: they go into the store together, once for each animation frame. */
import type { SessionFrame } from "../connection";
import type { Event } from "../protocol";
import { reduce, withOlder } from "./reduce";
import { emptySession, type SessionState } from "./session";
import { Store } from "./store";

export class SessionStore extends Store<SessionState> {
  #waiting: SessionFrame[] = [];

  constructor(
    sessionId: string,
    private readonly schedule: (flush: () => void) => void = nextFrame,
  ) {
    super(emptySession(sessionId));
  }

  take(frame: SessionFrame): void {
    this.#waiting.push(frame);
    if (this.#waiting.length === 1) this.schedule(() => this.#flush());
  }

  prepend(older: readonly Event[]): void {
    this.set(withOlder(this.get(), older));
  }

  #flush(): void {
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
