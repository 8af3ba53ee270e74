import { describe, expect, it } from "vitest";
import type { ConnectionStatus, MemoryFrame } from "../src/connection";
import { Failure } from "../src/failure";
import { MemoryFeed } from "../src/memory/feed";
import { type Beginning, emptyMemory, reduceMemory } from "../src/memory/memory";
import { memoryOfPhases, staleReasons } from "../src/memory/recalled";
import { tagsOf } from "../src/memory/words";
import type { MemoryChanged, MemoryEntry, MemorySnapshot, RecalledEntry } from "../src/protocol";
import { reduce } from "../src/store/reduce";
import { emptySession } from "../src/store/session";
import { Store } from "../src/store/store";
import { Log } from "./frames";

const ABOUT = { epoch: "e1", project: "/p", scope: "project" as const };
const TIME = "2026-11-25T04:00:00.000Z";

const entry = (id: string, change: Partial<MemoryEntry> = {}): MemoryEntry => ({
  memory_id: id,
  project: "/p",
  kind: "key_fact",
  content: `About ${id}`,
  version: 1,
  origin: { actor: "owner" },
  created_at: TIME,
  updated_at: TIME,
  ...change,
});
const begin = (fresh: boolean): Beginning => ({ type: "begin", epoch: "e1", fresh });
const snapshot = (seq: number, more: boolean, ...ids: string[]): MemorySnapshot => ({
  type: "memory_snapshot",
  memory_seq: seq,
  ...ABOUT,
  more,
  entries: ids.map((id) => entry(id)),
});
const changed = (
  seq: number,
  id: string,
  type: MemoryChanged["type"] = "memory_updated",
  change: Partial<MemoryEntry> = {},
): MemoryChanged => ({
  type,
  memory_seq: seq,
  ...ABOUT,
  change: "updated",
  entry: entry(id, change),
  version: change.version ?? 1,
  origin: { actor: "owner" },
  actor: { kind: "user", id: "owner" },
  time: TIME,
});
const ids = (feed: { entries: ReadonlyMap<string, unknown> }) => [...feed.entries.keys()];

describe("a memory", () => {
  it("is its state in pages, then each change once", () => {
    const paged = reduceMemory(emptyMemory, [begin(true), snapshot(3, true, "a"), snapshot(3, false, "b", "c")]);
    expect([ids(paged), paged.seq, paged.loaded]).toEqual([["a", "b", "c"], 3, true]);
    const after = reduceMemory(paged, [
      changed(3, "b", "memory_forgotten", { status: "forgotten" }), // It is in the state already.
      changed(4, "a", "memory_updated", { content: "New", version: 2 }),
      changed(5, "c", "memory_forgotten", { status: "superseded" }),
      changed(6, "d", "memory_added"),
    ]);
    expect([ids(after), after.seq]).toEqual([["a", "b", "d"], 6]);
    expect(after.entries.get("a")?.content).toBe("New");
    expect(paged.entries.get("a")?.content).toBe("About a");
  });

  it("is not known in part when the pages are cut, and begins anew where the cursor is of no use", () => {
    const part = reduceMemory(emptyMemory, [begin(true), snapshot(3, true, "a")]);
    expect([part.seq, part.loaded]).toEqual([0, false]);
    const whole = reduceMemory(part, [begin(true), snapshot(4, false, "b")]);
    expect([ids(whole), whole.seq]).toEqual([["b"], 4]);
    expect(ids(reduceMemory(whole, [begin(false), changed(5, "c", "memory_added")]))).toEqual(["b", "c"]);
  });
});

class FakeClient {
  readonly status = new Store<ConnectionStatus>({ kind: "connecting" });
  readonly sent: Record<string, unknown>[] = [];
  readonly ears = new Set<(frame: MemoryFrame) => void>();
  answer: Record<string, unknown> | Failure = { ...ABOUT, recovered: true };

  send(wish: Record<string, unknown>): Promise<Record<string, unknown>> {
    this.sent.push(wish);
    return this.answer instanceof Failure ? Promise.reject(this.answer) : Promise.resolve(this.answer);
  }
  hearMemory(ear: (frame: MemoryFrame) => void) {
    this.ears.add(ear);
    return () => this.ears.delete(ear);
  }
  say(...frames: MemoryFrame[]) {
    for (const frame of frames) for (const ear of this.ears) ear(frame);
  }
  connect(kind: "connecting" | "open") {
    this.status.set({ kind } as ConnectionStatus);
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("the feed of a memory", () => {
  const open = async () => {
    const client = new FakeClient();
    const feed = new MemoryFeed(client, { sessionId: "s", scope: "project" }, (flush) => flush());
    const stop = feed.follow();
    await settled();
    return { client, feed, stop };
  };

  it("comes back with its cursor, hears no other memory, and ends when nobody looks", async () => {
    const { client, feed, stop } = await open();
    client.say(snapshot(2, false, "a"), { ...snapshot(9, false, "of another"), project: "/other" });
    expect(ids(feed.get())).toEqual(["a"]);
    client.connect("open");
    await settled();
    client.say(changed(3, "b", "memory_added"));
    expect(client.sent.map(({ type, after, epoch }) => [type, after, epoch])).toEqual([
      ["subscribe_memory", 0, null],
      ["subscribe_memory", 2, "e1"],
    ]);
    expect(ids(feed.get())).toEqual(["a", "b"]);
    stop();
    expect(client.sent.at(-1)).toEqual({ type: "unsubscribe_memory", session_id: "s", scope: "project" });
    client.say(changed(4, "c", "memory_added"));
    expect(ids(feed.get())).toEqual(["a", "b"]);
  });

  it("begins anew where the memory is another one now", async () => {
    const { client, feed } = await open();
    client.say(snapshot(2, false, "a"));
    client.answer = { ...ABOUT, epoch: "e2", recovered: false };
    client.connect("open");
    await settled();
    expect(feed.get()).toMatchObject({ epoch: "e2", seq: 0, loaded: false });
    client.say(snapshot(1, false, "z"));
    expect(ids(feed.get())).toEqual(["z"]);
  });

  it("says why it may not be seen", async () => {
    const client = new FakeClient();
    client.answer = new Failure("forbidden", "Only an owner sees that.");
    const feed = new MemoryFeed(client, { sessionId: "s", scope: "project" });
    feed.follow();
    await settled();
    expect(feed.error.get()).toBe("Only an owner sees that.");
  });
});

describe("what a session says of memory", () => {
  const recalled = (id: string, change: Partial<RecalledEntry> = {}): RecalledEntry => ({
    memory_id: id,
    kind: "key_fact",
    content: `About ${id}`,
    reason: "It has the word 'port'.",
    ...change,
  });
  const log = new Log();
  log.add("session_created", { project: "/p", title: "T", settings: {}, owner: "owner" }, null);
  log.add("task_queued", { content: "Mend it" });
  log.phase = "research";
  log.add("memory_recalled", { entries: [recalled("a"), recalled("b", { stale: true, file_now: "It is gone." })] });
  log.add("memory_merged", { added: ["c"], merged: ["a"] });
  log.phase = "planning";
  log.add("memory_recalled", { entries: [] });
  log.add("memory_merged", { added: [] });
  const state = reduce(emptySession("ses_1"), log.events);

  it("is told by phase: what was given and why, and what was added", () => {
    const [research, ...others] = memoryOfPhases(state);
    expect(others).toEqual([]);
    expect(research).toMatchObject({ phase: "research", task: "Mend it" });
    expect(research?.given.map(({ entry: one }) => [one.memory_id, one.reason])).toEqual([
      ["a", "It has the word 'port'."],
      ["b", "It has the word 'port'."],
    ]);
    expect(research?.added.map(({ merged }) => merged.added)).toEqual([["c"]]);
  });

  it("names what is stale", () => {
    expect([...staleReasons(state)]).toEqual([["b", "It is gone."]]);
  });
});

it("takes tags as they are typed", () => {
  expect(tagsOf(" port, config  port ")).toEqual(["port", "config"]);
});
