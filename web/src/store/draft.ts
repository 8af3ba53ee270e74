/** The next state while it is made: a copy of the last one, of which each collection is copied when it is first changed. */
import type { Role } from "../access";
import type { Event } from "../protocol";
import {
  type Ask,
  emptySession,
  type Item,
  type LiveText,
  type Phase,
  type SessionState,
  type Task,
  type ToolItem,
  type TouchedFile,
} from "./session";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export class Draft {
  state: Mutable<SessionState>;
  /** What is taken in changes what the session is, and is not shown. */
  silent = false;
  readonly #copied = new Set<unknown>();

  constructor(base: SessionState) {
    this.state = { ...base };
  }

  finish(): SessionState {
    return this.state;
  }

  restart(firstSeq: number): void {
    this.state = { ...emptySession(this.state.sessionId), firstSeq, seq: firstSeq - 1 };
  }

  keep(event: Event): void {
    this.state.events = this.#own(this.state.events, () => [...this.state.events]);
    (this.state.events as Event[]).push(event);
  }

  get live(): Map<string, LiveText> {
    this.state.live = this.#ownMap(this.state.live);
    return this.state.live as Map<string, LiveText>;
  }

  get outputs(): Map<string, LiveText> {
    this.state.outputs = this.#ownMap(this.state.outputs);
    return this.state.outputs as Map<string, LiveText>;
  }

  get files(): Map<string, TouchedFile> {
    this.state.files = this.#ownMap(this.state.files);
    return this.state.files as Map<string, TouchedFile>;
  }

  get openCalls(): Map<string, string> {
    this.state.openCalls = this.#ownMap(this.state.openCalls);
    return this.state.openCalls as Map<string, string>;
  }

  get members(): Map<string, Role | null> {
    this.state.members = this.#ownMap(this.state.members);
    return this.state.members as Map<string, Role | null>;
  }

  clearLive(): void {
    if (this.state.live.size) this.state.live = new Map();
    if (this.state.outputs.size) this.state.outputs = new Map();
  }

  /** What was streamed of this turn does not count. */
  withdraw(messageId: string): void {
    for (const [key, text] of this.state.live) if (text.messageId === messageId) this.live.delete(key);
  }

  /** Calls that hand over a result have no event of their own: what follows from them says that they are complete. */
  dropArguments(): void {
    for (const [key, text] of this.state.live) if (text.kind === "arguments") this.live.delete(key);
  }

  place(event: Event, key: string) {
    return { key, seq: event.seq, time: event.time, taskId: event.task_id ?? null, phase: event.phase ?? null };
  }

  /** Show the event itself. */
  note(event: Event): void {
    this.add({ ...this.place(event, `event:${event.seq}`), kind: "event", event });
  }

  add(item: Item): void {
    if (this.silent) return;
    const items = this.#ownItems();
    this.state.positions = this.#ownMap(this.state.positions);
    (this.state.positions as Map<string, number>).set(item.key, items.length);
    items.push(item);
  }

  changeTool(callId: string, change: (tool: ToolItem) => ToolItem): void {
    const position = this.state.positions.get(`tool:${callId}`);
    if (position === undefined) return;
    const item = this.state.items[position];
    if (item?.kind === "tool") this.#ownItems()[position] = change(item);
  }

  /** What this person approved for the session counts no longer. */
  withdrawApprovals(user: string): void {
    this.state.items.forEach((item, position) => {
      if (item.kind !== "tool" || item.decision?.decision !== "approve_for_session" || item.decision.by !== user)
        return;
      this.#ownItems()[position] = { ...item, decision: { ...item.decision, withdrawn: true } };
    });
  }

  addTask(task: Task): void {
    this.state.tasks = [...this.state.tasks, task];
  }

  changeTask(taskId: string | null | undefined, change: (task: Task) => Task): void {
    if (!taskId) return;
    this.state.tasks = this.state.tasks.map((task) => (task.id === taskId ? change(task) : task));
  }

  changePhase(taskId: string | null | undefined, name: string, status: Phase["status"]): void {
    this.changeTask(taskId, (task) => ({
      ...task,
      phases: task.phases.map((phase) => (phase.name === name ? { name, status } : phase)),
    }));
  }

  ask(ask: Ask): void {
    this.state.asks = [...this.state.asks.filter((other) => other.id !== ask.id), ask];
  }

  settle(id: string): void {
    this.state.asks = this.state.asks.filter((ask) => ask.id !== id);
  }

  #ownItems(): Item[] {
    this.state.items = this.#own(this.state.items, () => [...this.state.items]);
    return this.state.items as Item[];
  }

  #ownMap<K, V>(map: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
    return this.#own(map, () => new Map(map));
  }

  #own<C>(collection: C, copy: () => C): C {
    if (this.#copied.has(collection)) return collection;
    const own = copy();
    this.#copied.add(own);
    return own;
  }
}
