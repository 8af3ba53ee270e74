import { beforeAll, describe, expect, it, vi } from "vitest";
import { completionsOf, namedFiles } from "../src/composer/completion";
import { outcomeOf, parseSlash } from "../src/composer/slash";
import { matching } from "../src/palette/match";
import { asLines, readLog } from "../src/session/log";
import { asMarkdown } from "../src/session/markdown";
import { reduce } from "../src/store/reduce";
import { emptySession, type SessionState } from "../src/store/session";
import { findRows, stepFrom } from "../src/timeline/find";
import { shownItems } from "../src/timeline/rows";
import { Log, mainJob } from "./frames";

const { log, frames } = mainJob();
const ended = reduce(emptySession("ses_1"), frames);

function running(): SessionState {
  const begun = new Log();
  begun.add("session_created", { project: "/p", title: "T", settings: {}, owner: "owner" }, null);
  begun.add("task_queued", { content: "First" });
  begun.add("task_started", { phases: ["research"] });
  return reduce(emptySession("ses_1"), begun.events);
}

describe("what is typed into the palette", () => {
  const all = [
    { word: "Show Plan" },
    { word: "Plan the cart", about: "shop · running" },
    { word: "Cancel", about: "task" },
  ];

  it("finds by all its words in whatever order, those first that begin with it", () => {
    expect(matching(all, "plan").map(({ word }) => word)).toEqual(["Plan the cart", "Show Plan"]);
    expect(matching(all, "running cart")).toEqual([all[1]]);
    expect(matching(all, "plan zebra")).toEqual([]);
    expect(matching(all, " ")).toEqual(all);
  });
});

describe("keys", () => {
  let keys: typeof import("../src/palette/keys");
  beforeAll(async () => {
    vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
    keys = await import("../src/palette/keys");
  });
  const press = (key: string, held: Partial<KeyboardEvent> = {}) => ({
    ...{ key, ctrlKey: false, metaKey: false, altKey: false },
    ...held,
  });

  it("are pressed with what is to be held, and with nothing else", () => {
    expect(keys.isPressed(press("k", { ctrlKey: true }), "Mod+K")).toBe(true);
    expect(keys.isPressed(press("k", { metaKey: true }), "Mod+K")).toBe(true);
    expect(keys.isPressed(press("k"), "Mod+K")).toBe(false);
    expect(keys.isPressed(press("c", { ctrlKey: true }), "c")).toBe(false);
    expect(keys.isPressed(press("?"), "?")).toBe(true);
    expect([keys.keyWords("Mod+K", "MacIntel"), keys.keyWords("Mod+K", "Linux")]).toEqual(["⌘K", "Ctrl+K"]);
  });

  it("narrow to kinds that are known, and each is chosen once", async () => {
    const { kindsOf, isOfKinds, parseKinds, toggled } = await import("../src/timeline/kinds");
    expect(parseKinds("errors nonsense tools")).toEqual(["tools", "errors"]);
    expect(toggled(["tools"], "messages")).toEqual(["messages", "tools"]);
    expect(toggled(["messages", "tools"], "tools")).toEqual(["messages"]);
    const edited = ended.items.find((item) => item.key === "tool:t2");
    expect(edited && kindsOf(edited)).toEqual(["tools", "files", "approvals"]);
    expect(edited && [isOfKinds(edited, ["errors"]), isOfKinds(edited, [])]).toEqual([false, true]);
  });
});

describe("the search of a timeline", () => {
  const rows = shownItems(ended);

  it("finds what is said, given to tools and told by them, whatever its case", () => {
    expect(findRows(rows, "LOOK 👀")).toEqual(["message:m1"]);
    expect(findRows(rows, "b.py")).toEqual(["tool:t2"]);
    expect(findRows(rows, "mend").length).toBeGreaterThan(1);
    expect([findRows(rows, " "), findRows(rows, "nowhere")]).toEqual([[], []]);
  });

  it("goes round the end, and begins with the last", () => {
    const found = ["a", "b", "c"];
    expect([stepFrom(found, "c", 1), stepFrom(found, "a", -1), stepFrom(found, "gone", 1)]).toEqual(["a", "c", "c"]);
    expect(stepFrom([], "a", 1)).toBeNull();
  });
});

describe("an export", () => {
  const pages = (after: number) =>
    Promise.resolve({ events: log.events.slice(after, after + 7), head_seq: log.events.length, epoch: "epo_1" });

  it("is read page by page to the end of the log", async () => {
    const told: number[] = [];
    const read = await readLog(pages, (seq) => told.push(seq));
    expect(read).toEqual(log.events);
    expect(told.slice(0, 2)).toEqual([7, 14]);
    expect(
      asLines(read)
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(log.events);
  });

  it("does not mix two logs", async () => {
    const replaced = async (after: number) => ({ ...(await pages(after)), epoch: after ? "epo_2" : "epo_1" });
    await expect(readLog(replaced)).rejects.toThrow("was replaced");
  });

  it("tells people what happened, with fences that nothing in them can end", () => {
    const fenced = new Log();
    fenced.add("session_created", { project: "/p", title: "T", settings: {}, owner: "owner" }, null);
    fenced.add("tool_requested", { tool_call_id: "t1", tool: "read_file", arguments: { path: "a.md" } });
    fenced.add("tool_completed", { tool_call_id: "t1", tool: "read_file", result: "```\nx\n````", duration_ms: 1 });
    expect(asMarkdown("ses_1", fenced.events)).toContain("`````\n```\nx\n````\n`````");
    const text = asMarkdown("ses_1", log.events);
    for (const part of [
      "# Cart",
      "## Task\n\nMend the cart",
      "### Research",
      "approve by owner, edited",
      "**Result**\n\nIt adds.",
    ])
      expect(text).toContain(part);
  });
});

describe("a command that is written", () => {
  it("is one only at the beginning, and a path is none", () => {
    expect(parseSlash("/rewind 12")).toEqual({ name: "rewind", rest: "12" });
    expect([parseSlash("/etc/hosts"), parseSlash(" /stop"), parseSlash("no /stop")]).toEqual([null, null, null]);
    expect(outcomeOf(ended, "Mend it")).toBeNull();
  });

  it("becomes what the server knows", () => {
    const about = { session_id: "ses_1", task_id: "tsk_1" };
    expect(outcomeOf(running(), "/stop")).toEqual({ kind: "send", wish: { type: "cancel", ...about } });
    expect(outcomeOf(running(), "/pause")).toEqual({ kind: "send", wish: { type: "pause", ...about } });
    const wish = { type: "task", session_id: "ses_1", content: "Look\ntwice", plan_only: true };
    expect(outcomeOf(ended, "/plan-only Look\ntwice")).toEqual({ kind: "send", wish });
    expect(outcomeOf(ended, "/rewind 3")).toEqual({ kind: "dialog", dialog: { kind: "rewind", seq: 3 } });
    expect(outcomeOf(ended, "/fork")).toEqual({ kind: "dialog", dialog: { kind: "fork", seq: null } });
  });

  it.each(["/nonsense", "/stop", "/plan-only", "/rewind 9999", "/export now", "/answer"])(
    "says why %s cannot be",
    (text) => {
      expect(outcomeOf(ended, text)).toMatchObject({ kind: "wrong" });
    },
  );
});

describe("news of sessions", () => {
  type View = import("../src/protocol").SessionView;
  type Status = NonNullable<View["tasks"]>[number]["status"];
  const view = (status: View["status"], task: Status) =>
    ({ session_id: "ses_1", title: "T", project: "/p", status, tasks: [{ task_id: "t", status: task }] }) as View;
  const asking = (id: string) => ({ ...view("needs_you", "running"), waiting_for: [id] });

  it("are that one needs somebody, is done or has failed, and nothing else", async () => {
    const { newsOf } = await import("../src/page/notifications");
    const texts = (before: View[], now: View[]) => newsOf(before, now).map(({ text }) => text);
    const running = view("running", "running");
    expect(texts([running], [asking("a")])).toEqual(["It needs you."]);
    expect(texts([asking("a")], [asking("a")])).toEqual([]);
    expect(texts([asking("a")], [asking("b")])).toEqual(["It needs you."]);
    expect(texts([running], [view("idle", "completed")])).toEqual(["The task is done."]);
    expect(texts([running], [view("idle", "failed")])).toEqual(["The task failed."]);
    expect(texts([running], [view("idle", "cancelled")])).toEqual([]);
    expect(texts([], [view("idle", "completed")])).toEqual([]);
    expect(texts([view("idle", "completed")], [view("idle", "completed")])).toEqual([]);
  });
});

describe("completions", () => {
  const words = (state: SessionState, text: string) => completionsOf(state, text, text.length).map(({ text }) => text);

  it("are the commands that can be given now", () => {
    expect(words(running(), "/p")).toEqual(["/pause", "/plan"]);
    expect(words(ended, "/p")).toEqual(["/plan-only ", "/plan"]);
    expect(words(running(), "/pause")).toEqual([]);
  });

  it("are files that the log names, put where the sign was", () => {
    expect(namedFiles(ended)).toEqual(["a.py"]);
    expect(completionsOf(ended, "Look at @a first", 10)).toEqual([
      { word: "a.py", about: "changed", text: "Look at a.py first", cursor: 13 },
    ]);
    expect(words(ended, "me@a")).toEqual([]);
  });
});
