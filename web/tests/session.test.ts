import { describe, expect, it } from "vitest";
import { placeAfter } from "../src/page/arrows";
import { nameOf } from "../src/page/format";
import type { Event } from "../src/protocol";
import { changedSettings, settingsDraft } from "../src/session/settings";
import { undoneBy } from "../src/session/undone";
import { reduce } from "../src/store/reduce";
import { changedFiles, emptySession, isWithdrawn, type SessionState } from "../src/store/session";
import { SessionStore } from "../src/store/session_store";
import { Log } from "./frames";

const CHECKPOINT = { checkpoint_id: "chk", files: ["a.py"] };
const change = (path: string) => ({ path, change: "modified" as const, additions: 1, deletions: 0 });

describe("a rewind", () => {
  const log = new Log();
  log.add("session_created", { project: "/p", title: "T", settings: {}, owner: "owner" }, null);
  log.add("task_queued", { content: "First" });
  log.add("file_changed", change("a.py"));
  const first = log.add("checkpoint_created", CHECKPOINT).seq;
  log.add("agent_message", { message_id: "m1", text: "Done." });
  log.add("task_queued", { content: "Second" }, "tsk_2");
  log.add("file_changed", change("b.py"), "tsk_2");
  const again = log.add("file_changed", change("a.py"), "tsk_2").seq;
  const second = log.add("checkpoint_created", CHECKPOINT, "tsk_2").seq;
  const rewound = (to: number) => ({
    to_seq: to,
    checkpoint_seq: to,
    checkpoint_id: "chk",
    safety_checkpoint_id: "safe",
  });

  it("says before what it takes back", () => {
    const state = reduce(emptySession("ses_1"), log.events);
    expect(undoneBy(state, first)).toEqual({ files: ["a.py", "b.py"], tasks: ["Second"], messages: 1, calls: 0 });
    expect(undoneBy(state, second)).toEqual({ files: [], tasks: [], messages: 0, calls: 0 });
  });

  it("takes nothing back twice, and one that leads into what was taken back brings it again", () => {
    log.add("workspace_rewound", rewound(first), null);
    const once = reduce(emptySession("ses_1"), log.events);
    expect([isWithdrawn(once, first), isWithdrawn(once, second)]).toEqual([false, true]);
    expect(undoneBy(once, first)).toEqual({ files: [], tasks: [], messages: 0, calls: 0 });
    const back = reduce(once, [log.add("workspace_rewound", rewound(second), null)]);
    expect([isWithdrawn(back, first), isWithdrawn(back, second)]).toEqual([false, false]);
    const changed = (state: SessionState) => changedFiles(state).map(({ path, seq }) => [path, seq]);
    expect(changed(once)).toEqual([["a.py", first - 1]]);
    expect(changed(back)).toEqual([
      ["a.py", again],
      ["b.py", again - 1],
    ]);
  });
});

describe("the settings of a session", () => {
  const before = settingsDraft({ model: "openai:a", models: { research: "openai:b" }, max_cost_usd: 2 });

  it("are sent as far as they were changed", () => {
    expect(changedSettings(before, before)).toEqual({});
    const now = {
      ...before,
      models: { ...before.models, planning: " openai:c " },
      approvals: "always",
      planGate: true,
      testCommand: "make test",
      numbers: { ...before.numbers, max_cost_usd: "3.5" },
    };
    expect(changedSettings(before, now)).toEqual({
      models: { planning: "openai:c" },
      approvals: "always",
      plan_gate: true,
      test_command: "make test",
      max_cost_usd: 3.5,
    });
  });

  it("are not taken away by an empty field", () => {
    const now = { ...before, model: "", models: { research: "" }, numbers: { ...before.numbers, max_cost_usd: "" } };
    expect(changedSettings(before, now)).toEqual({});
  });
});

it("takes the new title of a session", () => {
  const log = new Log();
  log.add("session_created", { project: "/p", title: "p", settings: {}, owner: "owner" }, null);
  log.add("session_renamed", { title: "The till" }, null);
  expect(reduce(emptySession("ses_1"), log.events).title).toBe("The till");
});

it("calls a session by its title, but where that only says the project", () => {
  expect(nameOf("shop", "/work/shop", "Mend the till")).toBe("Mend the till");
  expect(nameOf("The till", "/work/shop", "Mend the till")).toBe("The till");
  expect(nameOf("shop", "/work/shop", undefined)).toBe("shop");
});

it("goes round by the arrow keys, and to both ends", () => {
  const keys = { next: "ArrowDown", last: "ArrowUp" };
  const go = (key: string, at: number) => placeAfter(key, at, 3, keys);
  expect([go("ArrowDown", 2), go("ArrowUp", 0), go("Home", 1), go("End", 0), go("x", 0)]).toEqual([0, 2, 0, 2, null]);
  expect([go("ArrowDown", -1), go("ArrowUp", -1)]).toEqual([0, 2]);
});

describe("a long log that comes in", () => {
  it("is shown now and then, and at once when it is whole", () => {
    const log = new Log();
    for (let number = 0; number < 5; number += 1) log.add("agent_message", { message_id: `m${number}`, text: "Hm." });
    const due: (() => void)[] = [];
    let now = 0;
    const store = new SessionStore(
      "ses_1",
      (flush) => due.push(flush),
      () => now,
    );
    const frame = () => {
      for (const flush of due.splice(0)) flush();
    };
    const [first, second, third, ...rest] = log.events as [Event, Event, Event, ...Event[]];
    store.take(log.subscribed(0));
    store.take(first);
    frame();
    expect(store.get().seq).toBe(1);
    store.take(second);
    frame();
    expect(store.get().seq).toBe(1);
    now = 200;
    frame();
    expect(store.get().seq).toBe(2);
    store.take(third);
    frame();
    expect(store.get().seq).toBe(2);
    for (const event of rest) store.take(event);
    frame();
    expect(store.get().seq).toBe(5);
    expect(due).toEqual([]);
  });
});
