import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type ConnectionStatus, type MemoryFrame, type SessionFrame, type Socket } from "../src/connection";
import { Failure } from "../src/failure";
import type { Presence } from "../src/protocol";
import { Log, standing } from "./frames";

const WELCOME = { type: "welcome", server_version: "1", protocol: "vgproject.v1", user: "owner", role: "owner" };

class FakeSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly sent: Record<string, unknown>[] = [];
  closed = false;

  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  say(frame: unknown) {
    (this.onmessage as unknown as (event: { data: string }) => void)?.({ data: JSON.stringify(frame) });
  }
  drop(code: number, reason = "") {
    (this.onclose as unknown as (event: { code: number; reason: string }) => void)?.({ code, reason });
  }
}

const sockets: FakeSocket[] = [];
const statuses: ConnectionStatus[] = [];
const heard: SessionFrame[] = [];
const remembered: MemoryFrame[] = [];
const here: Presence[] = [];
let connection: Connection;
const last = () => sockets.at(-1) as FakeSocket;
const kinds = () => statuses.map((status) => status.kind);

beforeEach(() => {
  vi.useFakeTimers();
  for (const list of [sockets, statuses, heard, remembered, here]) list.length = 0;
  const open = () => {
    sockets.push(new FakeSocket());
    return last();
  };
  connection = new Connection(open, "web-1", {
    onStatus: (status) => statuses.push(status),
    onFrame: (_, frame) => heard.push(frame),
    onMemory: (frame) => remembered.push(frame),
    onDraining: () => {},
    onPresence: (frame) => here.push(frame),
  });
  connection.start();
});

it("tells who is here apart from what happens", () => {
  last().say(WELCOME);
  last().say({ type: "presence", session_id: "ses_1", people: [] });
  expect(here).toEqual([{ type: "presence", session_id: "ses_1", people: [] }]);
  expect(heard).toEqual([]);
});
afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

describe("commands", () => {
  it("are answered by their id, and refused with a code", async () => {
    last().say(WELCOME);
    const task = connection.send({ type: "task", content: "x" });
    const pause = connection.send({ type: "pause", session_id: "s" });
    const [hello, first, second] = last().sent;
    expect(hello).toMatchObject({ type: "hello", client: "web-1" });
    last().say({ type: "error", id: second?.id, data: { code: "no_open_task", message: "There is none." } });
    last().say({ type: "ack", id: first?.id, data: { task_id: "t" } });
    await expect(task).resolves.toEqual({ task_id: "t" });
    await expect(pause).rejects.toEqual(new Failure("no_open_task", "There is none."));
  });

  it("are sent again with the same id where the answer was lost, once they are answered not any more", async () => {
    last().say(WELCOME);
    const answered = connection.send({ type: "ping" });
    last().say({ type: "ack", id: "c1", data: {} });
    await answered;
    const task = connection.send({ type: "task", content: "x" });
    last().drop(1006);
    vi.advanceTimersByTime(1_000);
    last().say(WELCOME);
    expect(last().sent.filter((command) => command.type !== "hello")).toEqual([
      { type: "task", content: "x", id: "c2" },
    ]);
    last().say({ type: "ack", id: "c2", duplicate: true, data: { task_id: "t" } });
    await expect(task).resolves.toEqual({ task_id: "t" });
  });

  it("wait where the server says that they are too many", () => {
    last().say(WELCOME);
    void connection.send({ type: "pause", session_id: "s" });
    last().say({ type: "error", id: "c1", data: { code: "rate_limited", message: "m", retry_after_ms: 300 } });
    vi.advanceTimersByTime(299);
    expect(last().sent).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(last().sent[2]).toEqual(last().sent[1]);
  });
});

describe("a session that is followed", () => {
  it("goes on from its cursor after a loss, and hears nothing twice", () => {
    const log = new Log();
    for (let number = 0; number < 5; number++) log.add("task_resumed", {});
    last().say(WELCOME);
    connection.follow("ses_1");
    last().say(log.subscribed(0));
    last().say(log.events.slice(0, 3));
    last().drop(4000);
    vi.advanceTimersByTime(1_000);
    last().say(WELCOME);
    expect(last().sent[1]).toEqual({ type: "subscribe", session_id: "ses_1", after: 3, epoch: "epo_1" });
    last().say(log.subscribed(3));
    last().say(log.events.slice(2));
    expect(heard.filter((frame) => "seq" in frame)).toEqual(log.events);
  });

  it("is opened at its end, and again so where the connection is lost before the first event has come", () => {
    const log = new Log();
    for (let number = 0; number < 5; number++) log.add("task_resumed", {});
    const told = [log.subscribed(3), standing(log, 4)];
    last().say(WELCOME);
    connection.follow("ses_1");
    for (const frame of told) last().say(frame);
    last().drop(4000);
    vi.advanceTimersByTime(1_000);
    last().say(WELCOME);
    expect(last().sent[1]).toEqual({ type: "subscribe", session_id: "ses_1", last: 500 });
    for (const frame of told) last().say(frame);
    last().say(log.events.slice(3));
    expect(heard).toEqual([...told, ...told, ...log.events.slice(3)]);
    expect(last().sent).toHaveLength(2);
  });

  it("is asked for again where an event is missing", () => {
    const log = new Log();
    for (let number = 0; number < 3; number++) log.add("task_resumed", {});
    last().say(WELCOME);
    connection.follow("ses_1");
    last().say(log.events[0]);
    last().say(log.events[2]);
    expect(last().sent.at(-1)).toEqual({ type: "subscribe", session_id: "ses_1", after: 1, epoch: "epo_1" });
    expect(heard).toEqual([log.events[0]]);
  });

  it("is read from its beginning where the log is another", () => {
    const old = new Log();
    old.add("task_resumed", {});
    const log = new Log("ses_1", "epo_2");
    log.add("task_resumed", {});
    last().say(WELCOME);
    connection.follow("ses_1");
    last().say(old.events);
    last().drop(1006);
    vi.advanceTimersByTime(1_000);
    last().say(WELCOME);
    last().say(log.subscribed(0, false));
    last().say(log.events);
    expect(heard.at(-1)).toEqual(log.events[0]);
  });
});

describe("a lost connection", () => {
  it("comes back later and later, at most every 15 seconds", () => {
    const waits: number[] = [];
    for (let attempt = 0; attempt < 10; attempt++) {
      last().drop(1006);
      const status = statuses.at(-1);
      if (status?.kind !== "waiting") throw new Error("It does not wait.");
      waits.push(status.retryAt - Date.now());
      vi.advanceTimersByTime(15_000);
    }
    expect(waits[0]).toBeLessThanOrEqual(400);
    expect(waits[4]).toBeGreaterThanOrEqual(3_200);
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000);
    expect(sockets).toHaveLength(11);
  });

  it.each([4400, 4403, 4404, 4413, 4430])("stays closed after %i", async (code) => {
    last().say(WELCOME);
    const command = connection.send({ type: "ping" });
    last().drop(code, "No.");
    await expect(command).rejects.toMatchObject({ code: "connection_closed" });
    vi.advanceTimersByTime(60_000);
    expect(sockets).toHaveLength(1);
    expect(statuses.at(-1)).toEqual({ kind: "ended", reason: "No." });
  });

  it.each([4000, 4001, 4008, 4012, 4029])("comes back after %i", (code) => {
    last().drop(code);
    vi.advanceTimersByTime(1_000);
    expect(sockets).toHaveLength(2);
  });

  it("is noticed where nothing is heard, not even an answer to a ping", () => {
    last().say(WELCOME);
    vi.advanceTimersByTime(25_000);
    expect(last().sent.at(-1)).toEqual({ type: "ping" });
    vi.advanceTimersByTime(30_000);
    expect(sockets[0]?.closed).toBe(true);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it("asks to sign in where the server knows nobody", () => {
    last().say({ ...WELCOME, user: null, role: null });
    expect(kinds().at(-1)).toBe("signed_out");
    expect(last().closed).toBe(true);
  });
});

describe("a memory that is followed", () => {
  it("is answered to who asked, and its frames are handed on", async () => {
    last().say(WELCOME);
    const asked = connection.send({ type: "subscribe_memory", session_id: "s", after: 0 });
    const answer = { type: "subscribed_memory", id: "c1", project: "/p", scope: "project", memory_seq: 1, epoch: "e" };
    last().say({ ...answer, recovered: true });
    await expect(asked).resolves.toMatchObject({ project: "/p", memory_seq: 1 });
    last().say({
      type: "memory_snapshot",
      memory_seq: 1,
      epoch: "e",
      project: "/p",
      scope: "project",
      more: false,
      entries: [],
    });
    expect(remembered.map((frame) => frame.type)).toEqual(["memory_snapshot"]);
  });
});
