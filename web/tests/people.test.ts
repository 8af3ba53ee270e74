import { describe, expect, it } from "vitest";
import { steeringRefusal } from "../src/access";
import { placeComments, rowPlace, stepPlace } from "../src/people/threads";
import { reduce, withOlder } from "../src/store/reduce";
import { emptySession, type ToolItem } from "../src/store/session";
import { Log, mainJob, standing } from "./frames";

const together = () => {
  const { log } = mainJob();
  log.add("member_joined", { user: "ada", role: "editor" }, null);
  log.add("comment_added", { comment_id: "c1", content: "Why?", seq: 10 }, null);
  log.add("comment_added", { comment_id: "c2", content: "First this", step_id: "1" });
  log.add("comment_added", { comment_id: "c3", content: "Well done" }, null);
  log.add("control_changed", { holder: "ada" }, null);
  log.add("control_requested", { user: "bob", holder: "ada" }, null);
  log.add("comment_resolved", { comment_id: "c1", resolved_by: "bob" }, null);
  return log;
};
const whole = (log: Log) => reduce(emptySession("ses_1"), log.events);

describe("people in a session", () => {
  it("are the same for one who opens it at its end", () => {
    const log = together();
    const first = log.events.length - 1;
    const opened = [log.subscribed(first - 1), standing(log, first), ...log.events.slice(first - 1)];
    const late = reduce(emptySession("ses_1"), opened);
    const { members, comments, holder, askedForControl } = whole(log);
    expect(late).toMatchObject({ comments, holder, askedForControl });
    expect(late.members).toEqual(members);
    expect(withOlder(late, log.events.slice(0, first - 1))).toEqual(whole(log));
  });

  it("comment on a row, also on an event that a row before it shows, on a step, and on the session", () => {
    const log = together();
    const state = whole(log);
    const said = new Map([...placeComments(state)].map(([place, comments]) => [place, comments.map(({ id }) => id)]));
    const call = state.items.find((item) => item.key === "tool:t1");
    expect(call?.seq).toBeLessThan(10);
    const own = log.events.find((event) => event.type === "comment_added" && event.data.comment_id === "c3");
    expect([...said]).toEqual([
      [rowPlace(call?.seq ?? 0), ["c1"]],
      [stepPlace("tsk_1", "1"), ["c2"]],
      [rowPlace(own?.seq ?? 0), ["c3"]],
    ]);
    expect(state.comments.map((comment) => comment.resolvedBy)).toEqual(["bob", null, null]);
  });

  it("ask who holds control until it changes", () => {
    const log = together();
    expect(whole(log)).toMatchObject({ holder: "ada", askedForControl: ["bob"] });
    log.add("control_changed", { holder: "bob" }, null);
    expect(whole(log)).toMatchObject({ holder: "bob", askedForControl: [] });
    log.add("control_changed", { holder: null }, null);
    expect(whole(log).holder).toBeNull();
  });

  it("steer where nobody holds control, as who does, and as an owner", () => {
    const members = new Map([["ada", "owner" as const]]);
    const bob = { user: "bob", role: "editor" as const };
    members.set("bob", "editor" as never);
    expect(steeringRefusal(members, bob, null)).toBeNull();
    expect(steeringRefusal(members, bob, "bob")).toBeNull();
    expect(steeringRefusal(members, bob, "cyd")).toContain("cyd holds control");
    expect(steeringRefusal(members, { user: "ada", role: "editor" }, "cyd")).toBeNull();
    expect(steeringRefusal(members, { user: "bob", role: "viewer" }, "cyd")).toContain("a token with the role editor");
  });

  it("withdraw what they approved for the session, and nobody else's", () => {
    const log = new Log();
    for (const [call, by] of [
      ["t1", "ada"],
      ["t2", "bob"],
    ] as const) {
      const about = { approval_id: call, tool_call_id: call };
      log.add("tool_requested", { tool_call_id: call, tool: "run_command", arguments: {} });
      log.add("approval_requested", { ...about, tool: "run_command", arguments: {}, reason: "r" });
      log.add("approval_resolved", { ...about, decision: "approve_for_session", resolved_by: by });
    }
    log.add("approvals_revoked", { user: "ada", approvals: ["run_command"] }, null);
    const tools = whole(log).items.filter((item): item is ToolItem => item.kind === "tool");
    expect(tools.map((tool) => tool.decision?.withdrawn)).toEqual([true, false]);
  });
});
