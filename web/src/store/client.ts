/** What the page holds: the connection, the list of sessions, and a store for each session that was looked at. */
import { createContext, useContext } from "react";
import type { Me, Role } from "../access";
import { Connection, type ConnectionStatus, type MemoryFrame, type Wish } from "../connection";
import { Failure, sentenceOf } from "../failure";
import { listSessions, readBefore } from "../http";
import { Places } from "../location";
import { notifying } from "../page/notifications";
import type { PersonHere, Presence, SessionView } from "../protocol";
import { SessionStore } from "./session_store";
import { Store } from "./store";

export interface SessionList {
  readonly views: readonly SessionView[];
  readonly loaded: boolean;
  readonly error: string | null;
}

const LIST_EVERY_MS = 10_000;
/** So many older events are loaded at once; the server gives no more than 5,000. */
const OLDER = 500;
const MOST_OLDER = 5000;

export class Client {
  readonly status = new Store<ConnectionStatus>({ kind: "connecting" });
  /** The server has said that it stops. */
  readonly draining = new Store(false);
  readonly list = new Store<SessionList>({ views: [], loaded: false, error: null });
  readonly places = new Places();
  /** Who is signed in, also while the connection is lost. */
  readonly me = new Store<Me>({ user: "", role: "viewer" });
  /** Who looks at the session that is followed, as the server last said; nobody while the connection is lost. */
  readonly here = new Store<readonly PersonHere[]>([]);
  readonly #sessions = new Map<string, SessionStore>();
  readonly #memoryEars = new Set<(frame: MemoryFrame) => void>();
  readonly #connection: Connection;
  #followed: string | null = null;
  #reload: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const open = () => new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`);
    this.#connection = new Connection(open, newClientName(), {
      onStatus: (status) => this.#statusChanged(status),
      onFrame: (sessionId, frame) => {
        this.session(sessionId).take(frame);
        if ("seq" in frame && CHANGES_LIST.has(frame.type)) this.reloadSoon();
      },
      onMemory: (frame) => {
        for (const ear of this.#memoryEars) ear(frame);
      },
      onDraining: () => this.draining.set(true),
      onPresence: (frame) => this.#someoneIsHere(frame),
    });
  }

  /** Returns what stops it. */
  start(): () => void {
    this.#connection.start();
    const follow = () => this.#follow(this.places.get().sessionId);
    const back = () => this.#connection.retryNow();
    const unwatch = this.places.watch(follow);
    follow();
    addEventListener("online", back);
    const listing = setInterval(() => this.#isListWanted() && this.reload(), LIST_EVERY_MS);
    return () => {
      unwatch();
      removeEventListener("online", back);
      clearInterval(listing);
      this.#connection.stop();
    };
  }

  session(id: string): SessionStore {
    const known = this.#sessions.get(id) ?? new SessionStore(id);
    this.#sessions.set(id, known);
    return known;
  }

  /** Load events before those that are here: down to `seq` where it is given, else some. Raises `Failure`. */
  async loadOlder(sessionId: string, seq: number | null = null): Promise<void> {
    const store = this.session(sessionId);
    let { firstSeq } = store.get();
    while (firstSeq > Math.max(1, seq ?? 1)) {
      const limit = Math.min(MOST_OLDER, Math.max(OLDER, firstSeq - (seq ?? firstSeq)));
      store.prepend((await readBefore(sessionId, firstSeq, limit)).events);
      const reached = store.get().firstSeq;
      if (seq === null || reached >= firstSeq) return;
      firstSeq = reached;
    }
  }

  /** The answer's `data`. Raises `Failure`. */
  send(wish: Wish): Promise<Record<string, unknown>> {
    return this.#connection.send(wish);
  }

  /** All that is said of memories that are followed. Returns what ends it. */
  hearMemory(ear: (frame: MemoryFrame) => void): () => void {
    this.#memoryEars.add(ear);
    return () => this.#memoryEars.delete(ear);
  }

  /** A session that is not there any more. */
  forget(sessionId: string): void {
    if (this.places.get().sessionId === sessionId) this.places.go({ sessionId: null, seq: null });
    this.#sessions.delete(sessionId);
    void this.reload();
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  async reload(): Promise<void> {
    try {
      this.list.set({ views: await listSessions(), loaded: true, error: null });
    } catch (error) {
      if (error instanceof Failure && error.code === "unauthenticated") this.status.set({ kind: "signed_out" });
      this.list.set({ ...this.list.get(), error: sentenceOf(error) });
    }
  }

  reloadSoon(): void {
    clearTimeout(this.#reload);
    this.#reload = setTimeout(() => this.reload(), 150);
  }

  /** Sign in again after the cookie has changed. */
  restart(): void {
    this.#connection.stop();
    this.#connection.start();
  }

  /** Somebody looks at it, or wants to be told of it. */
  #isListWanted(): boolean {
    return this.status.get().kind === "open" && (!document.hidden || notifying.get());
  }

  #statusChanged(status: ConnectionStatus): void {
    if (status.kind === "open") {
      this.draining.set(false);
      this.me.set({ user: status.welcome.user ?? "", role: (status.welcome.role ?? "viewer") as Role });
      this.reload();
    }
    if (status.kind !== "open") this.here.set([]);
    this.status.set(status);
  }

  #someoneIsHere(frame: Presence): void {
    if (frame.session_id === this.#followed) this.here.set(frame.people);
  }

  /** One session at a time: what is not looked at needs no frames. */
  #follow(sessionId: string | null): void {
    if (this.#followed && this.#followed !== sessionId) this.#connection.unfollow(this.#followed);
    if (this.#followed !== sessionId) this.here.set([]);
    this.#followed = sessionId;
    if (sessionId) this.#connection.follow(sessionId);
  }
}

const CHANGES_LIST = new Set([
  "session_created",
  "task_queued",
  "task_started",
  "task_completed",
  "task_failed",
  "task_cancelled",
  "task_paused",
  "task_resumed",
  "approval_requested",
  "approval_resolved",
  "question_asked",
  "question_answered",
  "plan_proposed",
  "plan_resolved",
  "recovery_decision_requested",
  "recovery_decision_resolved",
  "budget_exceeded",
  "loop_paused",
  "session_renamed",
  "member_joined",
  "member_left",
]);

function newClientName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

const ClientContext = createContext<Client | null>(null);
export const ClientProvider = ClientContext.Provider;

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error("There is no client around this component.");
  return client;
}
