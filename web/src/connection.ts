/** The WebSocket: one for the page, for as long as the page is open. It comes back by itself, where coming back helps. */
import { Failure } from "./failure";
import type {
  Answer,
  Command,
  Delta,
  Event,
  MemoryChanged,
  MemorySnapshot,
  Presence,
  Snapshot,
  Subscribed,
  Welcome,
} from "./protocol";

/** What a session's store is told, in order. */
export type SessionFrame = Event | Exclude<Delta, { type: "server_draining" | "presence" }> | Subscribed | Snapshot;

/** What the store of a memory is told, in order. */
export type MemoryFrame = MemorySnapshot | MemoryChanged;

export type ConnectionStatus =
  | { kind: "connecting" }
  | { kind: "open"; welcome: Welcome }
  /** Lost; it is tried again at `retryAt`, in milliseconds since the epoch. */
  | { kind: "waiting"; retryAt: number; reason: string }
  /** Nobody is signed in in this browser. */
  | { kind: "signed_out" }
  /** The server closed it with a code that says not to come back. */
  | { kind: "ended"; reason: string };

export interface ConnectionListener {
  onStatus(status: ConnectionStatus): void;
  onFrame(sessionId: string, frame: SessionFrame): void;
  onMemory(frame: MemoryFrame): void;
  onDraining(): void;
  onPresence(frame: Presence): void;
}

/** The part of the browser's `WebSocket` that is used. */
export type Socket = Pick<WebSocket, "onmessage" | "onclose" | "send" | "close">;

/** A command without what the connection adds. */
export type Wish = Command extends infer C ? (C extends Command ? Omit<C, "id"> : never) : never;

interface Pending {
  command: Command;
  resolve(data: Record<string, unknown>): void;
  reject(failure: Failure): void;
}

interface Cursor {
  after: number;
  epoch: string | undefined;
  followed: boolean;
  /** An event has come: what stands of those before it has come too. */
  begun: boolean;
}

type Incoming = Event | Delta | MemoryChanged | Answer;

const NOT_BACK = new Set([4400, 4401, 4403, 4404, 4413, 4430]);
const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 15_000;
/** So many events of a session are opened; older ones when they are asked for. */
const LAST = 500;
/** The server says something at least every 15 seconds to who is subscribed; to others a ping is sent. */
const QUIET_MS = 20_000;
const DEAD_MS = 45_000;

export class Connection {
  #socket: Socket | null = null;
  #isOpen = false;
  #attempts = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #count = 0;
  readonly #pending = new Map<string, Pending>();
  readonly #cursors = new Map<string, Cursor>();

  /** `client` names this page to the server, so that a command sent again has no second effect. */
  constructor(
    private readonly open: () => Socket,
    private readonly client: string,
    private readonly listener: ConnectionListener,
  ) {}

  start(): void {
    clearTimeout(this.#retry);
    this.listener.onStatus({ kind: "connecting" });
    const socket = this.open();
    this.#socket = socket;
    this.#heardAt = Date.now();
    clearInterval(this.#watchdog);
    this.#watchdog = setInterval(() => this.#watch(), 5_000);
    socket.onmessage = (event) => this.#socket === socket && this.#take(String(event.data));
    socket.onclose = (event) => this.#socket === socket && this.#lost(event.code, event.reason);
  }

  stop(): void {
    this.#forgetSocket()?.close();
    clearTimeout(this.#retry);
  }

  /** Try now instead of at `retryAt`. */
  retryNow(): void {
    if (!this.#socket) this.start();
  }

  /** The answer's `data`. Raises `Failure`. What was not answered when the connection is lost is sent again. */
  send(wish: Wish): Promise<Record<string, unknown>> {
    const id = `c${++this.#count}`;
    const command = { ...wish, id } as Command;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject });
      if (this.#isOpen) this.#write(command);
    });
  }

  /** The session's events from where they were left, now and after every loss of the connection. */
  follow(sessionId: string): void {
    const cursor = this.#cursors.get(sessionId) ?? { after: 0, epoch: undefined, followed: false, begun: false };
    this.#cursors.set(sessionId, { ...cursor, followed: true });
    if (this.#isOpen && !cursor.followed) this.#subscribe(sessionId);
  }

  unfollow(sessionId: string): void {
    const cursor = this.#cursors.get(sessionId);
    if (!cursor?.followed) return;
    cursor.followed = false;
    if (this.#isOpen) this.#write({ type: "unsubscribe", session_id: sessionId });
  }

  #write(command: Command): void {
    this.#socket?.send(JSON.stringify(command));
  }

  #subscribe(sessionId: string): void {
    const cursor = this.#cursors.get(sessionId);
    if (!cursor) return;
    const from = cursor.begun ? { after: cursor.after, epoch: cursor.epoch ?? null } : { last: LAST };
    this.#write({ type: "subscribe", session_id: sessionId, ...from });
  }

  #take(text: string): void {
    this.#heardAt = Date.now();
    const parsed = JSON.parse(text) as Incoming | Incoming[];
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) this.#takeFrame(frame);
  }

  #takeFrame(frame: Incoming): void {
    if ("seq" in frame) return this.#takeEvent(frame);
    switch (frame.type) {
      case "welcome":
        return this.#welcomed(frame);
      case "ack":
        return this.#settle(frame.id, (pending) => pending.resolve(frame.data ?? {}));
      case "error":
        return this.#refused(frame);
      case "subscribed":
        return this.#subscribed(frame);
      case "server_draining":
        return this.listener.onDraining();
      case "text_delta":
      case "reasoning_delta":
      case "tool_arguments_delta":
      case "tool_output_delta":
      case "heartbeat":
        return this.listener.onFrame(frame.session_id, frame);
      case "snapshot":
        return this.listener.onFrame(frame.session.session_id, frame);
      case "pong":
        return;
      case "presence":
        return this.listener.onPresence(frame);
      case "subscribed_memory":
        return this.#settle(frame.id, (pending) => pending.resolve({ ...frame }));
      case "memory_snapshot":
      case "memory_added":
      case "memory_updated":
      case "memory_forgotten":
        return this.listener.onMemory(frame);
      default: {
        const unknown: never = frame; // Of a later release.
        return unknown;
      }
    }
  }

  #takeEvent(event: Event): void {
    const cursor = this.#cursors.get(event.session_id);
    if (!cursor?.followed || event.seq <= cursor.after) return;
    if (event.seq > cursor.after + 1) return this.#subscribe(event.session_id);
    cursor.after = event.seq;
    cursor.begun = true;
    cursor.epoch = event.epoch;
    this.listener.onFrame(event.session_id, event);
  }

  #subscribed(frame: Subscribed): void {
    const cursor = this.#cursors.get(frame.session_id);
    if (!cursor) return;
    if (!frame.recovered) cursor.begun = false;
    if (!cursor.begun) cursor.after = (frame.from_seq ?? 1) - 1;
    cursor.epoch = frame.epoch;
    this.listener.onFrame(frame.session_id, frame);
  }

  #welcomed(welcome: Welcome): void {
    if (!welcome.user) {
      this.#forgetSocket()?.close();
      return this.#end({ kind: "signed_out" }, "unauthenticated", "Nobody is signed in.");
    }
    this.#isOpen = true;
    this.#attempts = 0;
    this.#write({ type: "hello", client: this.client });
    for (const [sessionId, cursor] of this.#cursors) if (cursor.followed) this.#subscribe(sessionId);
    for (const { command } of this.#pending.values()) this.#write(command);
    this.listener.onStatus({ kind: "open", welcome });
  }

  #refused(frame: Extract<Answer, { type: "error" }>): void {
    const { code, message, retry_after_ms, details } = frame.data;
    const pending = frame.id ? this.#pending.get(frame.id) : undefined;
    if (pending && retry_after_ms) {
      setTimeout(() => this.#isOpen && this.#write(pending.command), retry_after_ms);
      return;
    }
    this.#settle(frame.id, (settled) => settled.reject(new Failure(code, message, details)));
  }

  #settle(id: string | null | undefined, settle: (pending: Pending) => void): void {
    const pending = id ? this.#pending.get(id) : undefined;
    if (!id || !pending) return;
    this.#pending.delete(id);
    settle(pending);
  }

  #lost(code: number, reason: string): void {
    this.#forgetSocket();
    if (code === 4401) return this.#end({ kind: "signed_out" }, "unauthenticated", reason || "Nobody is signed in.");
    if (NOT_BACK.has(code)) {
      const sentence = reason || `The server closed the connection (${code}).`;
      return this.#end({ kind: "ended", reason: sentence }, "connection_closed", sentence);
    }
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts++, LONGEST_DELAY_MS) * (0.5 + Math.random() / 2);
    this.#retry = setTimeout(() => this.start(), delay);
    this.listener.onStatus({ kind: "waiting", retryAt: Date.now() + delay, reason });
  }

  #end(status: ConnectionStatus, code: string, message: string): void {
    for (const pending of this.#pending.values()) pending.reject(new Failure(code, message));
    this.#pending.clear();
    this.listener.onStatus(status);
  }

  /** Some networks lose a connection without telling anybody. */
  #watch(): void {
    const quiet = Date.now() - this.#heardAt;
    if (quiet > DEAD_MS) {
      this.#socket?.close();
      this.#lost(1006, "Nothing was heard from the server.");
    } else if (quiet > QUIET_MS && this.#isOpen) {
      this.#write({ type: "ping" });
    }
  }

  /** What the old socket still says is not heard. */
  #forgetSocket(): Socket | null {
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    clearInterval(this.#watchdog);
    return socket;
  }
}
