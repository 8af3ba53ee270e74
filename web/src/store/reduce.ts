/**
 * From frames to the next state. What is in the log decides alone what `SessionState` says, in whatever pieces it comes;
 * `live` and `outputs` hold what is not in the log yet, and lose it when it is.
 */
import type { SessionFrame } from "../connection";
import type { Delta, Event, FileChange, Snapshot, UsageUpdatedData } from "../protocol";
import { Draft } from "./draft";
import { appendText } from "./live_text";
import {
  type Comment,
  emptySession,
  type LiveText,
  type SessionState,
  type StepStatus,
  type Task,
  type ToolItem,
} from "./session";

export function reduce(state: SessionState, frames: readonly SessionFrame[]): SessionState {
  const draft = new Draft(state);
  for (const frame of frames) takeFrame(draft, frame);
  return draft.finish();
}

/**
 * With events before those that are in it. What they say of the session is known already; what they show is told from
 * the first of them on, because a call that began among them may have ended later.
 */
export function withOlder(state: SessionState, older: readonly Event[]): SessionState {
  const first = older[0];
  if (!first || older.at(-1)?.seq !== state.firstSeq - 1 || first.epoch !== state.epoch) return state;
  const begin = { ...emptySession(state.sessionId), firstSeq: first.seq, seq: first.seq - 1 };
  const { firstSeq, events, items, positions, openCalls } = reduce(begin, [...older, ...state.events]);
  return { ...state, firstSeq, events, items, positions, openCalls };
}

function takeFrame(draft: Draft, frame: SessionFrame): void {
  if ("seq" in frame) return takeEvent(draft, frame);
  if (frame.type === "snapshot") return takeStanding(draft, frame);
  if (frame.type !== "subscribed") return takeDelta(draft, frame);
  const firstSeq = frame.from_seq ?? 1;
  if (!frame.recovered || firstSeq > draft.state.seq + 1) draft.restart(firstSeq);
  draft.state.epoch = frame.epoch;
  draft.state.headSeq = frame.head_seq;
  // What is being said is told again from its beginning.
  draft.clearLive();
}

/** What the events that are not here say of the session. */
function takeStanding(draft: Draft, snapshot: Snapshot): void {
  draft.silent = true;
  const standing = (snapshot.standing ?? []) as unknown as Event[];
  for (const event of standing) if (event.seq < draft.state.firstSeq) applyEvent(draft, event);
  draft.silent = false;
}

type SessionDelta = Exclude<Delta, { type: "server_draining" | "presence" }>;

function takeDelta(draft: Draft, delta: SessionDelta): void {
  switch (delta.type) {
    case "heartbeat":
      draft.state.headSeq = Math.max(draft.state.headSeq, delta.head_seq);
      return;
    case "text_delta":
      return addText(draft, `message:${delta.message_id}`, "message", delta);
    case "reasoning_delta":
      return addText(draft, `reasoning:${delta.message_id}`, "reasoning", delta);
    case "tool_arguments_delta":
      return addText(draft, `tool:${delta.tool_call_id}`, "arguments", delta);
    case "tool_output_delta": {
      // A piece can come late, when the call has ended.
      if (!draft.state.openCalls.has(delta.tool_call_id)) return;
      const known = draft.state.outputs.get(delta.tool_call_id);
      const next = appendText(known, { kind: "output", messageId: "", tool: null }, delta);
      if (next) draft.outputs.set(delta.tool_call_id, next);
      return;
    }
    default: {
      const unknown: never = delta;
      return unknown;
    }
  }
}

function addText(
  draft: Draft,
  key: string,
  kind: LiveText["kind"],
  delta: { message_id: string; tool?: string; offset: number; text: string },
): void {
  if (draft.state.positions.has(key)) return;
  const about = { kind, messageId: delta.message_id, tool: delta.tool ?? null };
  const next = appendText(draft.state.live.get(key), about, delta);
  if (next) draft.live.set(key, next);
}

/** Events must come in their order; the connection sees to that. One that is known already changes nothing. */
function takeEvent(draft: Draft, event: Event): void {
  const { state } = draft;
  if (event.seq !== state.seq + 1) return;
  state.seq = event.seq;
  state.epoch = event.epoch;
  state.headSeq = Math.max(state.headSeq, event.seq);
  draft.keep(event);
  applyEvent(draft, event);
}

function applyEvent(draft: Draft, event: Event): void {
  const { state } = draft;
  switch (event.type) {
    case "session_created":
      state.title = event.data.title;
      state.project = event.data.project;
      state.owner = event.data.owner;
      state.settings = event.data.settings;
      draft.members.set(event.data.owner, "owner");
      return;
    case "session_renamed":
      state.title = event.data.title;
      return draft.note(event);
    case "settings_updated":
      state.settings = event.data.settings;
      return draft.note(event);

    case "task_queued":
      return queueTask(draft, event);
    case "task_started":
      draft.changeTask(event.task_id, (task) => ({
        ...task,
        status: "running",
        startedAt: task.startedAt ?? event.time,
        phases: task.phases.length ? task.phases : event.data.phases.map((name) => ({ name, status: "pending" })),
      }));
      return;
    case "task_completed":
      endTask(draft, event, { status: "completed", tests: event.data.tests ?? null });
      return draft.note(event);
    case "task_failed":
      endTask(draft, event, { status: "failed", reason: event.data.error.message });
      return draft.note(event);
    case "task_cancelled":
      endTask(draft, event, { status: "cancelled", reason: event.data.reason ?? null });
      return draft.note(event);
    case "task_cancel_requested":
      return draft.changeTask(event.task_id, (task) => ({ ...task, wish: "cancel" }));
    case "task_pause_requested":
      return draft.changeTask(event.task_id, (task) => ({ ...task, wish: "pause" }));
    case "task_paused":
      draft.changeTask(event.task_id, (task) => ({ ...task, status: "paused", wish: null, reason: event.data.reason }));
      return draft.note(event);
    case "task_resumed":
      draft.changeTask(event.task_id, (task) => ({ ...task, status: "running", wish: null, reason: null }));
      draft.settle(pauseId(event.task_id));
      return draft.note(event);
    case "task_recovered":
      draft.clearLive();
      return draft.note(event);
    case "task_retried":
      draft.changeTask(event.task_id, (task) => retried(task, event.data.phase));
      return draft.note(event);

    case "phase_started":
      draft.changePhase(event.task_id, event.data.phase, "running");
      return draft.note(event);
    case "phase_failed":
      draft.dropArguments();
      draft.changePhase(event.task_id, event.data.phase, "failed");
      return draft.note(event);
    case "phase_retrying":
      draft.dropArguments();
      draft.changePhase(event.task_id, event.data.phase, "running");
      return draft.note(event);
    case "phase_skipped":
      draft.changePhase(event.task_id, event.data.phase, "skipped");
      return draft.note(event);
    case "research_complete":
      draft.dropArguments();
      draft.changePhase(event.task_id, event.phase ?? "research", "done");
      return draft.note(event);
    case "planning_complete":
      draft.dropArguments();
      draft.changePhase(event.task_id, event.phase ?? "planning", "done");
      draft.changeTask(event.task_id, (task) => ({ ...task, plan: { plan: event.data.plan, statuses: {} } }));
      return draft.note(event);
    case "implementation_complete":
      draft.dropArguments();
      draft.changePhase(event.task_id, event.phase ?? "implementation", "done");
      draft.changeTask(event.task_id, (task) => ({ ...task, tests: event.data.tests ?? task.tests }));
      return draft.note(event);
    case "phase_complete":
      draft.dropArguments();
      draft.changePhase(event.task_id, event.data.phase, "done");
      return draft.note(event);
    case "progress_update":
      return draft.changeTask(event.task_id, (task) => ({
        ...task,
        progress: { ...event.data, percent: Math.max(event.data.percent, task.progress?.percent ?? 0) },
      }));
    case "error":
      return draft.note(event);

    case "user_message":
    case "agent_message":
      return say(draft, event, "message");
    case "reasoning":
      return say(draft, event, "reasoning");

    case "tool_requested":
      return requestTool(draft, event);
    case "tool_started":
      return draft.changeTool(event.data.tool_call_id, (tool) => ({
        ...tool,
        status: "running",
        startedAt: event.time,
        arguments: event.data.arguments ?? tool.arguments,
      }));
    case "tool_completed":
      return endTool(draft, event.data.tool_call_id, {
        status: "done",
        durationMs: event.data.duration_ms,
        result: event.data.result,
        details: event.data.details ?? {},
        blob: event.data.blob ?? null,
      });
    case "tool_failed":
      return endTool(draft, event.data.tool_call_id, {
        status: "failed",
        durationMs: event.data.duration_ms ?? 0,
        result: event.data.message,
        code: event.data.code,
        blob: event.data.blob ?? null,
      });

    case "approval_requested":
      draft.changeTool(event.data.tool_call_id, (tool) => ({ ...tool, status: "waiting" }));
      return draft.ask({ kind: "approval", id: event.data.approval_id, ...whose(event), data: event.data });
    case "approval_resolved": {
      const { decision, resolved_by: by, arguments: edited } = event.data;
      draft.settle(event.data.approval_id);
      return draft.changeTool(event.data.tool_call_id, (tool) => ({
        ...tool,
        status: "requested",
        arguments: edited ?? tool.arguments,
        decision: { decision, by, edited: Boolean(edited), withdrawn: false },
      }));
    }
    case "question_asked":
      draft.ask({ kind: "question", id: event.data.question_id, ...whose(event), data: event.data });
      return draft.note(event);
    case "question_answered":
      draft.settle(event.data.question_id);
      return draft.note(event);
    case "plan_proposed":
      draft.dropArguments();
      draft.changeTask(event.task_id, (task) => ({ ...task, plan: { plan: event.data.plan, statuses: {} } }));
      draft.ask({ kind: "plan", id: event.data.approval_id, ...whose(event), data: event.data });
      return draft.note(event);
    case "plan_resolved": {
      const { plan } = event.data;
      if (plan) draft.changeTask(event.task_id, (task) => ({ ...task, plan: { plan, statuses: {} } }));
      draft.settle(event.data.approval_id);
      return draft.note(event);
    }
    case "recovery_decision_requested":
      draft.ask({ kind: "recovery", id: event.data.recovery_id, ...whose(event), data: event.data });
      return draft.note(event);
    case "recovery_decision_resolved":
      draft.settle(event.data.recovery_id);
      return draft.note(event);

    case "file_changed":
      return changeFile(draft, event);
    case "workspace_applied":
      state.appliedSeq = event.seq;
      return draft.note(event);
    case "workspace_rewound":
      // It may lead into what an earlier one has taken back: then that one does not count any more.
      state.rewinds = [
        ...state.rewinds.filter((rewind) => rewind.until <= event.data.to_seq),
        { after: event.data.to_seq, until: event.seq },
      ];
      state.changedSeq = event.seq;
      return draft.note(event);
    case "plan_step_updated":
      return draft.changeTask(event.task_id, (task) => withStep(task, event.data.step_id, event.data.status));

    case "usage_updated":
      return draft.changeTask(event.task_id, (task) => ({
        ...task,
        usage: event.data.task_usage,
        context: contextOf(event.data, task) ?? task.context,
      }));
    case "budget_exceeded":
      draft.ask({ kind: "budget", id: pauseId(event.task_id), ...whose(event), data: event.data });
      return draft.note(event);
    case "loop_paused":
      draft.ask({ kind: "loop", id: pauseId(event.task_id), ...whose(event), data: event.data });
      return draft.note(event);
    case "model_retried":
      draft.withdraw(event.data.message_id);
      return draft.note(event);
    case "model_fell_back":
      if (event.data.message_id) draft.withdraw(event.data.message_id);
      return draft.note(event);

    case "session_forked":
      if (event.data.checkpoint_id) state.changedSeq = event.seq;
      return draft.note(event);
    case "workspace_created":
    case "budget_warning":
    case "loop_noticed":
    case "context_compacted":
    case "memory_recalled":
    case "memory_merged":
    case "checkpoint_created":
      return draft.note(event);
    case "comment_added":
      state.comments = [...state.comments, commentOf(event)];
      return draft.note(event);
    case "comment_resolved": {
      const { comment_id: id, resolved_by: resolvedBy } = event.data;
      state.comments = state.comments.map((comment) => (comment.id === id ? { ...comment, resolvedBy } : comment));
      return draft.note(event);
    }
    case "control_requested":
      state.askedForControl = [...state.askedForControl.filter((user) => user !== event.data.user), event.data.user];
      return draft.note(event);
    case "control_changed":
      state.holder = event.data.holder ?? null;
      state.askedForControl = [];
      return draft.note(event);
    case "approvals_revoked":
      draft.withdrawApprovals(event.data.user);
      return draft.note(event);
    case "member_joined":
    case "role_changed":
      draft.members.set(event.data.user, event.data.role);
      return draft.note(event);
    case "member_left":
      draft.members.delete(event.data.user);
      return draft.note(event);
    default: {
      const unknown: never = event; // Of a later release.
      return unknown;
    }
  }
}

/** Those that work beside a phase have conversations of their own. */
function contextOf(told: UsageUpdatedData, task: Task): Task["context"] {
  const { phase, input_tokens, output_tokens, context_tokens } = told;
  if (!context_tokens || !task.phases.some(({ name }) => name === phase)) return null;
  return { used: input_tokens + output_tokens, limit: context_tokens };
}

function commentOf(event: Extract<Event, { type: "comment_added" }>): Comment {
  const { comment_id: id, content, seq, step_id: stepId } = event.data;
  return {
    id,
    seq: stepId ? null : (seq ?? event.seq),
    step: stepId ? { taskId: event.task_id ?? null, stepId } : null,
    author: event.actor.id,
    content,
    time: event.time,
    resolvedBy: null,
  };
}

const whose = (event: Event) => ({ taskId: event.task_id ?? null, phase: event.phase ?? null });

/** A pause that nobody wished asks something too; it is settled when the task is resumed. */
const pauseId = (taskId: string | null | undefined) => `pause:${taskId}`;

function queueTask(draft: Draft, event: Extract<Event, { type: "task_queued" }>): void {
  const id = event.task_id ?? `seq:${event.seq}`;
  draft.addTask({
    id,
    request: event.data,
    status: "queued",
    phases: [],
    progress: null,
    plan: null,
    usage: null,
    context: null,
    startedAt: null,
    endedAt: null,
    wish: null,
    reason: null,
    tests: null,
  });
  draft.add({ ...draft.place(event, `task:${id}`), kind: "task", request: event.data, actor: event.actor });
}

type Ending = Extract<Event, { type: "task_completed" | "task_failed" | "task_cancelled" }>;

function endTask(draft: Draft, event: Ending, change: Partial<Task>): void {
  draft.changeTask(event.task_id, (task) => ({
    ...task,
    wish: null,
    endedAt: event.time,
    usage: task.usage ?? event.data.usage ?? null,
    phases: task.phases.map((phase) => (phase.status === "running" ? { ...phase, status: "failed" } : phase)),
    ...change,
  }));
  for (const [callId, taskId] of [...draft.state.openCalls])
    if (taskId === event.task_id) endTool(draft, callId, { status: "interrupted" });
  draft.state.asks = draft.state.asks.filter((ask) => ask.taskId !== event.task_id);
  draft.clearLive();
}

/** The phases from `first` on are to be done again. */
function retried(task: Task, first: string): Task {
  const from = task.phases.findIndex((phase) => phase.name === first);
  const phases = task.phases.map((phase, index) =>
    from >= 0 && index >= from ? { ...phase, status: "pending" as const } : phase,
  );
  return { ...task, status: "queued", endedAt: null, reason: null, phases };
}

function withStep(task: Task, stepId: string, status: StepStatus): Task {
  if (!task.plan) return task;
  return { ...task, plan: { ...task.plan, statuses: { ...task.plan.statuses, [stepId]: status } } };
}

type Said = Extract<Event, { type: "user_message" | "agent_message" | "reasoning" }>;

function say(draft: Draft, event: Said, kind: "message" | "reasoning"): void {
  const key = `${kind}:${event.data.message_id}`;
  draft.live.delete(key);
  draft.add({
    ...draft.place(event, key),
    kind,
    actor: event.actor,
    text: event.data.text,
    blob: event.data.blob ?? null,
  });
}

function requestTool(draft: Draft, event: Extract<Event, { type: "tool_requested" }>): void {
  const { tool_call_id: callId, tool } = event.data;
  draft.live.delete(`tool:${callId}`);
  draft.openCalls.set(callId, event.task_id ?? "");
  draft.add({
    ...draft.place(event, `tool:${callId}`),
    kind: "tool",
    callId,
    tool,
    arguments: event.data.arguments,
    status: "requested",
    startedAt: null,
    durationMs: null,
    result: null,
    code: null,
    details: {},
    blob: event.data.blob ?? null,
    changes: [],
    decision: null,
  });
}

function endTool(draft: Draft, callId: string, end: Partial<ToolItem>): void {
  draft.openCalls.delete(callId);
  draft.outputs.delete(callId);
  draft.changeTool(callId, (tool) => ({ ...tool, ...end }));
}

function changeFile(draft: Draft, event: Extract<Event, { type: "file_changed" }>): void {
  const { path, change, additions, deletions, tool_call_id: callId } = event.data;
  const one: FileChange = { path, change, additions, deletions };
  draft.state.changedSeq = event.seq;
  const before = draft.state.files.get(path) ?? null;
  draft.files.set(path, { path, change, additions, deletions, seq: event.seq, before });
  if (callId) draft.changeTool(callId, (tool) => ({ ...tool, changes: [...tool.changes, one] }));
}
