/** Follows one memory: its state first, then each change, and after a loss of the connection only what was missed. */
import { useEffect, useState } from "react";
import type { MemoryFrame } from "../connection";
import { sentenceOf } from "../failure";
import type { Client } from "../store/client";
import { nextFrame } from "../store/session_store";
import { Store } from "../store/store";
import { type Beginning, emptyMemory, type MemoryState, reduceMemory } from "./memory";

export type Scope = "project" | "user";

export interface Which {
  readonly sessionId: string;
  readonly scope: Scope;
}

type Link = Pick<Client, "send" | "hearMemory" | "status">;

export class MemoryFeed extends Store<MemoryState> {
  readonly error = new Store<string | null>(null);
  #project: string | null = null;
  #waiting: (MemoryFrame | Beginning)[] = [];
  #asked = 0;

  constructor(
    private readonly client: Link,
    private readonly which: Which,
    private readonly schedule: (flush: () => void) => void = nextFrame,
  ) {
    super(emptyMemory);
  }

  /** Returns what ends it. */
  follow(): () => void {
    const unhear = this.client.hearMemory((frame) => this.#hear(frame));
    const isOpen = () => this.client.status.get().kind === "open";
    let wasOpen = isOpen();
    const unwatch = this.client.status.watch(() => {
      if (isOpen() && !wasOpen) void this.#subscribe();
      wasOpen = isOpen();
    });
    void this.#subscribe();
    return () => {
      unhear();
      unwatch();
      this.#asked++;
      this.client.send({ type: "unsubscribe_memory", ...this.#about }).catch(() => {});
    };
  }

  get #about() {
    return { session_id: this.which.sessionId, scope: this.which.scope };
  }

  async #subscribe(): Promise<void> {
    const asked = ++this.#asked;
    this.#flush();
    const { seq: after, epoch } = this.get();
    try {
      const answer = await this.client.send({ type: "subscribe_memory", ...this.#about, after, epoch });
      if (asked !== this.#asked) return;
      this.#project = String(answer.project);
      this.error.set(null);
      this.#take({ type: "begin", epoch: String(answer.epoch), fresh: after === 0 || answer.recovered !== true });
    } catch (error) {
      if (asked === this.#asked) this.error.set(sentenceOf(error));
    }
  }

  #hear(frame: MemoryFrame): void {
    if (frame.scope === this.which.scope && frame.project === this.#project) this.#take(frame);
  }

  #take(frame: MemoryFrame | Beginning): void {
    this.#waiting.push(frame);
    if (this.#waiting.length === 1) this.schedule(() => this.#flush());
  }

  #flush(): void {
    const frames = this.#waiting;
    this.#waiting = [];
    if (frames.length) this.set(reduceMemory(this.get(), frames));
  }
}

/** The feed of one memory for as long as the component is there. */
export function useFeed(client: Client, { sessionId, scope }: Which): MemoryFeed {
  const [feed, setFeed] = useState(() => new MemoryFeed(client, { sessionId, scope }));
  useEffect(() => {
    const next = new MemoryFeed(client, { sessionId, scope });
    setFeed(next);
    return next.follow();
  }, [client, sessionId, scope]);
  return feed;
}
