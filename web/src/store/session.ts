/** A session as the page knows it: what its log says, and what is just being said. Values; `reduce` makes the next from them. */
import type { Members } from "../access";
import type {
  Actor,
  Blob,
  BudgetExceededData,
  Event,
  FileChange,
  LoopPausedData,
  Plan,
  ProgressUpdateData,
  SessionSettings,
  TaskQueuedData,
  TestRun,
  Usage,
} from "../protocol";

export interface SessionState {
  readonly sessionId: string;
  readonly epoch: string | null;
  /** The first event that is in `events`; of those before it only what stands of them is in here. */
  readonly firstSeq: number;
  /** The last event that is in here. */
  readonly seq: number;
  readonly events: readonly Event[];
  /** How far the server's log reaches. */
  readonly headSeq: number;
  readonly title: string;
  readonly project: string;
  readonly owner: string;
  readonly settings: SessionSettings;
  readonly members: Members;
  /** Who steers alone; `null`: all who may edit do. */
  readonly holder: string | null;
  /** Who has asked the holder for control since it last changed. */
  readonly askedForControl: readonly string[];
  /** The oldest first, also those that are resolved. */
  readonly comments: readonly Comment[];
  /** In the order in which they were given. */
  readonly tasks: readonly Task[];
  /** What the timeline shows, in the order of the log. Positions never change. */
  readonly items: readonly Item[];
  /** Where in `items` something is, by its key. */
  readonly positions: ReadonlyMap<string, number>;
  /** What waits for a person, the oldest first. */
  readonly asks: readonly Ask[];
  /** All that the session has changed, by path. */
  readonly files: ReadonlyMap<string, TouchedFile>;
  /** The event that last changed a file, and the one that last put the files into the project. */
  readonly changedSeq: number;
  readonly appliedSeq: number;
  /** Calls that have begun and not ended, by id, with the task's id. */
  readonly openCalls: ReadonlyMap<string, string>;
  /** Stretches of the log that a rewind has taken back. */
  readonly rewinds: readonly { after: number; until: number }[];
  /** What is being said and not in the log yet, by the key of the item that it will be. */
  readonly live: ReadonlyMap<string, LiveText>;
  /** What calls have printed so far. */
  readonly outputs: ReadonlyMap<string, LiveText>;
}

export interface Task {
  readonly id: string;
  readonly request: TaskQueuedData;
  readonly status: "queued" | "running" | "paused" | "completed" | "failed" | "cancelled";
  readonly phases: readonly Phase[];
  /** Its percent never falls. */
  readonly progress: ProgressUpdateData | null;
  readonly plan: PlanState | null;
  readonly usage: Usage | null;
  /** How long the running phase's conversation is, and may be, in tokens. */
  readonly context: { readonly used: number; readonly limit: number } | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Asked for and not done yet. */
  readonly wish: "pause" | "cancel" | null;
  /** Why it is paused, or how it failed. */
  readonly reason: string | null;
  readonly tests: TestRun | null;
}

/** A remark of people among themselves. */
export interface Comment {
  readonly id: string;
  /** The event that it is about: its own where it is about the session, `null` where it is about a step. */
  readonly seq: number | null;
  readonly step: { readonly taskId: string | null; readonly stepId: string } | null;
  readonly author: string;
  readonly content: string;
  readonly time: string;
  readonly resolvedBy: string | null;
}

export interface Phase {
  readonly name: string;
  readonly status: "pending" | "running" | "done" | "failed" | "skipped";
}

export interface PlanState {
  readonly plan: Plan;
  readonly statuses: Readonly<Record<string, StepStatus>>;
}

export type StepStatus = "pending" | "running" | "done" | "failed" | "skipped";

export interface TouchedFile {
  readonly path: string;
  readonly change: FileChange["change"];
  readonly additions: number;
  readonly deletions: number;
  readonly seq: number;
  /** Its change before this one, which counts where a rewind has taken this one back. */
  readonly before: TouchedFile | null;
}

interface Place {
  readonly key: string;
  readonly seq: number;
  readonly time: string;
  readonly taskId: string | null;
  readonly phase: string | null;
}

export type TaskItem = Place & { readonly kind: "task"; readonly request: TaskQueuedData; readonly actor: Actor };

export type MessageItem = Place & {
  readonly kind: "message" | "reasoning";
  readonly actor: Actor;
  readonly text: string;
  readonly blob: Blob | null;
};

export type ToolItem = Place & {
  readonly kind: "tool";
  readonly callId: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** `interrupted`: the task ended before the call did. */
  readonly status: "requested" | "waiting" | "running" | "done" | "failed" | "interrupted";
  readonly startedAt: string | null;
  readonly durationMs: number | null;
  /** What the model was told. */
  readonly result: string | null;
  readonly code: string | null;
  readonly details: Readonly<Record<string, unknown>>;
  readonly blob: Blob | null;
  readonly changes: readonly FileChange[];
  /** `withdrawn`: it was for the session, and does not count for later calls any more. */
  readonly decision: { decision: string; by: string; edited: boolean; withdrawn: boolean } | null;
};

/** Told by the event itself. */
export type EventItem = Place & { readonly kind: "event"; readonly event: Event };

export type Item = TaskItem | MessageItem | ToolItem | EventItem;

export type Ask = { readonly id: string; readonly taskId: string | null; readonly phase: string | null } & (
  | { readonly kind: "approval"; readonly data: Extract<Event, { type: "approval_requested" }>["data"] }
  | { readonly kind: "question"; readonly data: Extract<Event, { type: "question_asked" }>["data"] }
  | { readonly kind: "plan"; readonly data: Extract<Event, { type: "plan_proposed" }>["data"] }
  | { readonly kind: "recovery"; readonly data: Extract<Event, { type: "recovery_decision_requested" }>["data"] }
  | { readonly kind: "budget"; readonly data: BudgetExceededData }
  | { readonly kind: "loop"; readonly data: LoopPausedData }
);

export interface LiveText {
  readonly kind: "message" | "reasoning" | "arguments" | "output";
  /** Of the turn; empty for output. */
  readonly messageId: string;
  readonly tool: string | null;
  readonly text: string;
  /** In characters as the server counts them: code points. */
  readonly length: number;
}

export function emptySession(sessionId: string): SessionState {
  return {
    sessionId,
    epoch: null,
    firstSeq: 1,
    seq: 0,
    events: [],
    headSeq: 0,
    title: "",
    project: "",
    owner: "",
    settings: {},
    members: new Map(),
    holder: null,
    askedForControl: [],
    comments: [],
    tasks: [],
    items: [],
    positions: new Map(),
    asks: [],
    files: new Map(),
    changedSeq: 0,
    appliedSeq: 0,
    openCalls: new Map(),
    rewinds: [],
    live: new Map(),
    outputs: new Map(),
  };
}

/** The task that people mean: the one that runs or waits for them, else the first that waits its turn, else the last. */
export function currentTask(state: SessionState): Task | null {
  const { tasks } = state;
  return (
    tasks.find((task) => task.status === "running" || task.status === "paused") ??
    tasks.find((task) => task.status === "queued") ??
    tasks.at(-1) ??
    null
  );
}

export function isOpen(task: Task | null): boolean {
  return task !== null && (task.status === "queued" || task.status === "running" || task.status === "paused");
}

/** Whether a rewind has taken it back. */
export function isWithdrawn(state: SessionState, seq: number): boolean {
  return state.rewinds.some((rewind) => seq > rewind.after && seq < rewind.until);
}

/** The files whose change no rewind has taken back, each with its last. */
export function changedFiles(state: SessionState): TouchedFile[] {
  return [...state.files.values()].flatMap((last) => {
    let file: TouchedFile | null = last;
    while (file && isWithdrawn(state, file.seq)) file = file.before;
    return file ? [file] : [];
  });
}
