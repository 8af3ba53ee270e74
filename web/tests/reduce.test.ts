import { describe, expect, it } from "vitest";
import type { SessionFrame } from "../src/connection";
import { reduce, withOlder } from "../src/store/reduce";
import { currentTask, emptySession, type SessionState } from "../src/store/session";
import { Log, mainJob, standing } from "./frames";

const start = () => emptySession("ses_1");
const oneByOne = (frames: readonly SessionFrame[], from: SessionState = start()) =>
  frames.reduce((state, frame) => reduce(state, [frame]), from);

describe("a session's state", () => {
  it("is the same in whatever pieces its frames come", () => {
    const { frames } = mainJob();
    const whole = reduce(start(), frames);
    expect(oneByOne(frames)).toEqual(whole);
    for (let cut = 0; cut <= frames.length; cut++)
      expect(reduce(reduce(start(), frames.slice(0, cut)), frames.slice(cut))).toEqual(whole);
  });

  it("is the same for one who saw it live and one who reads the log", () => {
    const { log, frames } = mainJob();
    expect(reduce(start(), log.events)).toEqual(reduce(start(), frames));
  });

  it("is the same after the connection was lost at any moment", () => {
    const { log, frames } = mainJob();
    const never = reduce(start(), frames);
    for (let cut = 0; cut <= frames.length; cut++) {
      const before = reduce(start(), frames.slice(0, cut));
      const missed = log.events.slice(before.seq);
      expect(reduce(before, [log.subscribed(before.seq), ...missed])).toEqual(never);
    }
  });

  it("is not changed by events that come twice", () => {
    const { log } = mainJob();
    const once = reduce(start(), log.events);
    expect(reduce(once, log.events)).toEqual(once);
  });

  it("is never changed in place", () => {
    const { frames } = mainJob();
    let state = start();
    for (const frame of frames) {
      const before = structuredClone(state);
      const next = reduce(state, [frame]);
      expect(state).toEqual(before);
      state = next;
    }
  });

  it("begins anew where the log is another", () => {
    const old = mainJob();
    const log = new Log("ses_1", "epo_2");
    log.add("session_created", { project: "/p", title: "Another", settings: {}, owner: "owner" }, null);
    const state = reduce(reduce(start(), old.frames), [log.subscribed(0, false), ...log.events]);
    expect(state).toEqual(reduce(start(), [log.subscribed(0), ...log.events]));
  });
});

describe("what is streamed", () => {
  it("shows a text as it grows, and counts characters as the server does", () => {
    const log = new Log();
    const state = reduce(start(), [log.text("m1", 0, "I look 👀"), log.text("m1", 8, " around")]);
    expect(state.live.get("message:m1")?.text).toBe("I look 👀 around");
  });

  it("takes a piece that overlaps once, and leaves out one whose predecessor is missing", () => {
    const log = new Log();
    const state = reduce(start(), [log.text("m1", 0, "abc"), log.text("m1", 2, "cd"), log.text("m1", 9, "lost")]);
    expect(state.live.get("message:m1")?.text).toBe("abcd");
  });

  it("forgets the text of a call that failed", () => {
    const log = new Log();
    const retried = log.add("model_retried", { message_id: "m1", attempt: 1, delay_ms: 0, reason: "cut" });
    expect(reduce(start(), [log.text("m1", 0, "abc"), retried]).live.size).toBe(0);
  });

  it("shows a command's output until its result is there", () => {
    const log = new Log();
    const asked = log.add("tool_requested", { tool_call_id: "t1", tool: "run_command", arguments: { command: "ls" } });
    const running = reduce(start(), [asked, log.output("t1", 0, "a\n"), log.output("t1", 2, "b\n")]);
    expect(running.outputs.get("t1")?.text).toBe("a\nb\n");
    const end = log.add("tool_completed", {
      tool_call_id: "t1",
      tool: "run_command",
      result: "a\nb\n",
      duration_ms: 1,
    });
    expect(reduce(running, [end, log.output("t1", 4, "late")]).outputs.size).toBe(0);
  });
});

describe("a task", () => {
  it("never falls in progress, and ends with its plan done", () => {
    const { frames } = mainJob();
    let percent = 0;
    let state = start();
    for (const frame of frames) {
      state = reduce(state, [frame]);
      const now = currentTask(state)?.progress?.percent ?? 0;
      expect(now).toBeGreaterThanOrEqual(percent);
      percent = now;
    }
    const task = currentTask(state);
    expect(percent).toBe(100);
    expect(task?.status).toBe("completed");
    expect(task?.phases.map((phase) => phase.status)).toEqual(["done", "done", "done"]);
    expect(task?.plan?.statuses).toEqual({ "1": "done" });
  });

  it("tells how full its conversation is, not those of its helpers", () => {
    const { log, frames } = mainJob();
    const told = (phase: string, input_tokens: number) =>
      log.add("usage_updated", {
        phase,
        model: "m",
        input_tokens,
        output_tokens: 100,
        cost_usd: null,
        context_tokens: 10_000,
        phase_usage: {},
        task_usage: {},
      });
    const state = reduce(start(), [...frames, told("planning", 900), told("memory", 5)]);
    expect(currentTask(state)?.context).toEqual({ used: 1_000, limit: 10_000 });
  });

  it("asks until somebody answers, and a call shows what it was really run with", () => {
    const { log, frames } = mainJob();
    const asked = frames.findIndex((frame) => frame.type === "approval_requested");
    expect(reduce(start(), frames.slice(0, asked + 1)).asks.map((ask) => ask.id)).toEqual(["a1"]);
    const state = reduce(start(), log.events);
    expect(state.asks).toEqual([]);
    const tool = state.items.find((item) => item.key === "tool:t2");
    expect(tool).toMatchObject({
      status: "done",
      arguments: { command: "ls" },
      decision: { decision: "approve", by: "owner", edited: true },
      changes: [{ path: "a.py", additions: 2 }],
    });
  });

  it("leaves nothing open when it is cancelled", () => {
    const { log, frames } = mainJob();
    const asked = frames.findIndex((frame) => frame.type === "approval_requested");
    const before = reduce(start(), frames.slice(0, asked + 1));
    log.events.splice(before.seq);
    const state = reduce(before, [log.add("task_cancelled", { reason: "Enough" })]);
    expect(state.asks).toEqual([]);
    expect(state.openCalls.size).toBe(0);
    expect(state.items.find((item) => item.key === "tool:t2")).toMatchObject({ status: "interrupted" });
    expect(currentTask(state)).toMatchObject({ status: "cancelled", reason: "Enough" });
  });

  it("is asked about a budget until it goes on", () => {
    const log = new Log();
    log.add("task_queued", { content: "x" });
    log.add("budget_exceeded", { limit: "cost_usd", allowed: 1, used: 1 });
    log.add("task_paused", { reason: "The budget is used up." });
    const paused = reduce(start(), log.events);
    expect(paused.asks.map((ask) => ask.kind)).toEqual(["budget"]);
    expect(reduce(paused, [log.add("task_resumed", {})]).asks).toEqual([]);
  });
});

it("takes ten thousand events in batches in little time", () => {
  const log = new Log();
  log.add("task_queued", { content: "x" });
  for (let number = 0; number < 10_000; number++)
    log.add("agent_message", { message_id: `m${number}`, text: "A line of what an agent says." });
  const began = performance.now();
  let state = start();
  for (let at = 0; at < log.events.length; at += 250) state = reduce(state, log.events.slice(at, at + 250));
  expect(state.items.length).toBe(10_001);
  expect(performance.now() - began).toBeLessThan(3000);
});

describe("a session that is opened at its end", () => {
  const opened = (log: Log, firstSeq: number) =>
    reduce(start(), [log.subscribed(firstSeq - 1), standing(log, firstSeq), ...log.events.slice(firstSeq - 1)]);
  const shown = { firstSeq: 0, events: [], items: [], positions: new Map() };

  it("is what it is for one who has read all of it, but for what is shown of it", () => {
    const { log } = mainJob();
    const whole = reduce(start(), log.events);
    for (let first = 1; first <= log.events.length; first++) {
      const late = opened(log, first);
      expect({ ...late, ...shown }).toEqual({ ...whole, ...shown });
      expect(late.items.every((item) => item.seq >= first)).toBe(true);
    }
  });

  it("is the same as for one who has read all of it once the older events have come, in whatever pieces", () => {
    const { log } = mainJob();
    const whole = reduce(start(), log.events);
    for (let first = 2; first <= log.events.length; first++)
      for (let between = 1; between < first; between++) {
        const half = withOlder(opened(log, first), log.events.slice(between - 1, first - 1));
        expect(withOlder(half, log.events.slice(0, between - 1))).toEqual(whole);
      }
  });

  it("takes in no older events that do not join it, or are of another log", () => {
    const { log } = mainJob();
    const late = opened(log, 10);
    expect(withOlder(late, log.events.slice(0, 5))).toBe(late);
    expect(withOlder(late, [])).toBe(late);
    const other = log.events.slice(0, 9).map((event) => ({ ...event, epoch: "epo_2" }));
    expect(withOlder(late, other)).toBe(late);
  });

  it("goes on live, and after the connection was lost", () => {
    const { log } = mainJob();
    const cut = 20;
    const early = reduce(start(), [log.subscribed(9), standing(log, 10), ...log.events.slice(9, cut)]);
    const later = reduce(early, [log.subscribed(cut), ...log.events.slice(cut)]);
    expect(later).toEqual(opened(log, 10));
  });
});
