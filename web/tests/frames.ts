/** Frames as the server sends them. */
import type { SessionFrame } from "../src/connection";
import type { Event, Snapshot } from "../src/protocol";

type Data<T extends Event["type"]> = Extract<Event, { type: T }>["data"];

/** Numbers events as a log does. */
export class Log {
  readonly events: Event[] = [];
  phase: string | null = null;

  constructor(
    readonly sessionId = "ses_1",
    readonly epoch = "epo_1",
  ) {}

  add<T extends Event["type"]>(type: T, data: Data<T>, taskId: string | null = "tsk_1"): Event {
    const seq = this.events.length + 1;
    const event = {
      type,
      session_id: this.sessionId,
      seq,
      epoch: this.epoch,
      time: `2026-11-25T04:00:${String(seq % 60).padStart(2, "0")}.000Z`,
      task_id: taskId,
      phase: this.phase,
      actor: { kind: "agent", id: this.phase ?? "server" },
      data,
    } as unknown as Event;
    this.events.push(event);
    return event;
  }

  text(messageId: string, offset: number, text: string, type: "text_delta" | "reasoning_delta" = "text_delta") {
    return { type, session_id: this.sessionId, message_id: messageId, offset, text } satisfies SessionFrame;
  }

  output(callId: string, offset: number, text: string) {
    const about = { session_id: this.sessionId, tool_call_id: callId, stream: "merged" as const };
    return { type: "tool_output_delta", ...about, offset, text } satisfies SessionFrame;
  }

  handedOver(callId: string, tool: string, text: string) {
    const about = { session_id: this.sessionId, message_id: "m1", tool_call_id: callId, tool };
    return { type: "tool_arguments_delta", ...about, offset: 0, text } satisfies SessionFrame;
  }

  subscribed(after: number, recovered = true): SessionFrame {
    const head_seq = Math.max(after, this.events.length);
    const from_seq = recovered ? after + 1 : 1;
    return { type: "subscribed", session_id: this.sessionId, recovered, head_seq, epoch: this.epoch, from_seq };
  }
}

/** What the server tells of the events before `firstSeq`, without what was said and done. */
export function standing(log: Log, firstSeq: number): SessionFrame {
  const told = (type: Event["type"]) => !/^(agent_|user_|reasoning|tool_|model_)/.test(type);
  const events = log.events.filter((event) => event.seq < firstSeq && told(event.type));
  const session = { session_id: log.sessionId } as Snapshot["session"];
  return { type: "snapshot", session, standing: events as unknown as Snapshot["standing"], more: false };
}

/** The main job with an approval, and all that is streamed on its way, in order. */
export function mainJob(): { log: Log; frames: SessionFrame[] } {
  const log = new Log();
  const frames: SessionFrame[] = [];
  const say = (...more: SessionFrame[]) => frames.push(...more);
  say(
    log.add("session_created", { project: "/p", title: "Cart", settings: {}, owner: "owner" }, null),
    log.add("task_queued", { content: "Mend the cart" }),
    log.add("task_started", { phases: ["research", "planning", "implementation"] }),
  );
  log.phase = "research";
  say(
    log.add("phase_started", { phase: "research", model: "scripted:a" }),
    log.add("progress_update", { phase: "research", percent: 3, label: "Research" }),
    log.text("m1", 0, "I think…", "reasoning_delta"),
    log.text("m1", 0, "I look 👀"),
    log.text("m1", 8, " around."),
    log.add("reasoning", { message_id: "m1", text: "I think…" }),
    log.add("agent_message", { message_id: "m1", text: "I look 👀 around." }),
    log.text("m1", 8, " around."),
    log.add("tool_requested", { tool_call_id: "t1", tool: "list_files", arguments: {} }),
    log.add("tool_started", { tool_call_id: "t1", tool: "list_files" }),
    log.add("tool_completed", { tool_call_id: "t1", tool: "list_files", result: "a.py", duration_ms: 3 }),
    log.handedOver("t3", "submit_research", '{"notes":'),
    log.add("research_complete", { notes: "n", key_facts: [], related_files: ["a.py"], needs_implementation: true }),
  );
  log.phase = "planning";
  say(
    log.add("phase_started", { phase: "planning", model: "scripted:a" }),
    log.add("planning_complete", { plan: { summary: "s", steps: [{ id: "1", title: "Mend" }] } }),
  );
  log.phase = "implementation";
  say(
    log.add("phase_started", { phase: "implementation", model: "scripted:a" }),
    log.add("plan_step_updated", { step_id: "1", status: "running" }),
    log.add("progress_update", { phase: "implementation", percent: 60, label: "Mend", step: 1, steps: 1 }),
    log.add("progress_update", { phase: "implementation", percent: 50, label: "Mend again", step: 1, steps: 1 }),
    log.add("tool_requested", { tool_call_id: "t2", tool: "run_command", arguments: { command: "rm -r x" } }),
    log.add("approval_requested", {
      approval_id: "a1",
      tool_call_id: "t2",
      tool: "run_command",
      arguments: { command: "rm -r x" },
      reason: "It is not known to be harmless.",
    }),
    log.add("approval_resolved", {
      approval_id: "a1",
      tool_call_id: "t2",
      decision: "approve",
      arguments: { command: "ls" },
      resolved_by: "owner",
    }),
    log.add("tool_started", { tool_call_id: "t2", tool: "run_command", arguments: { command: "ls" } }),
    log.output("t2", 0, "a.py\n"),
    log.output("t2", 5, "b.py\n"),
    log.add("file_changed", { path: "a.py", change: "modified", additions: 2, deletions: 1, tool_call_id: "t2" }),
    log.add("tool_completed", {
      tool_call_id: "t2",
      tool: "run_command",
      result: "a.py\nb.py\n",
      duration_ms: 9,
      details: { exit_code: 0 },
    }),
    log.text("m2", 0, "Half a mess"),
    log.add("model_retried", { message_id: "m2", attempt: 1, delay_ms: 0, reason: "cut" }),
    log.text("m2", 0, "All green."),
    log.add("agent_message", { message_id: "m2", text: "All green." }),
    log.add("plan_step_updated", { step_id: "1", status: "done" }),
    log.add("implementation_complete", { summary: "It adds.", files_changed: [], diff_stat: {} }),
  );
  log.phase = null;
  say(
    log.add("progress_update", { phase: "implementation", percent: 100, label: "Done" }),
    log.add("task_completed", { result: "It adds.", usage: { cost_usd: 0.01 } }),
  );
  return { log, frames };
}
