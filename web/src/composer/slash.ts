/** Commands that are written where else a task is: `/name` and, for some, what it is about. */
import type { Wish } from "../connection";
import type { SessionDialog } from "../page/dialogs";
import { PANEL_WORDS, type PanelId } from "../panels/panel_words";
import { currentTask, isOpen, type SessionState, type Task } from "../store/session";

/** What a command comes to. */
export type Outcome =
  | { readonly kind: "send"; readonly wish: Wish }
  | { readonly kind: "dialog"; readonly dialog: SessionDialog }
  | { readonly kind: "show"; readonly panel: PanelId }
  | { readonly kind: "find" | "keys" | "answer" }
  /** Why it cannot be done, for people. */
  | { readonly kind: "wrong"; readonly why: string };

export interface Slash {
  readonly name: string;
  readonly about: string;
  /** What is to be written after it; none where it stands alone. */
  readonly given?: string;
  isOffered(task: Task | null): boolean;
  outcome(state: SessionState, rest: string): Outcome;
}

const always = () => true;
const whenIdle = (task: Task | null) => !isOpen(task);
const wrong = (why: string): Outcome => ({ kind: "wrong", why });

const PANELS: Slash[] = PANEL_WORDS.map(({ id, title }) => ({
  ...{ name: id === "changes" ? "diff" : id, about: `Show ${title}`, isOffered: always },
  outcome: () => ({ kind: "show", panel: id }),
}));

export const SLASHES: readonly Slash[] = [
  limitedTask("plan-only", "Research and a plan; nothing is changed", { plan_only: true }),
  limitedTask("research-only", "An answer; nothing is changed", { research_only: true }),
  message("steer", "The agent takes it up at its next turn"),
  message("queue", "A task of its own, after this one"),
  toTask("pause", "Pause the task", (task) => task?.status === "running"),
  toTask("resume", "Go on with the task", (task) => task?.status === "paused"),
  { ...toTask("cancel", "Cancel the task", isOpen), name: "stop" },
  {
    ...{ name: "retry", about: "Try the task again, from a phase where one is named", given: "PHASE?" },
    isOffered: (task) => task?.status === "failed" || task?.status === "cancelled",
    outcome: retry,
  },
  {
    ...{
      name: "rewind",
      about: "Files and conversation as they were at an event",
      given: "EVENT",
      isOffered: whenIdle,
    },
    outcome: (state, rest) => withSeq(state, rest, (seq) => ({ kind: "rewind", seq })),
  },
  {
    ...{ name: "fork", about: "A new session from here, or from an event", given: "EVENT?", isOffered: always },
    outcome: (state, rest) =>
      rest
        ? withSeq(state, rest, (seq) => ({ kind: "fork", seq }))
        : { kind: "dialog", dialog: { kind: "fork", seq: null } },
  },
  {
    ...{ name: "answer", about: "Go to what waits for an answer", isOffered: always },
    outcome: (state) => (state.asks.length ? { kind: "answer" } : wrong("Nothing waits for an answer here.")),
  },
  ...PANELS,
  dialog("settings", "Settings of this session"),
  dialog("rename", "Rename the session"),
  dialog("share", "Who is in the session"),
  dialog("export", "The session as a file"),
  { name: "find", about: "Search the timeline", isOffered: always, outcome: () => ({ kind: "find" }) },
  { name: "keys", about: "Which key does what", isOffered: always, outcome: () => ({ kind: "keys" }) },
];

/** `null`: it is no command. A path such as `/etc/hosts` is none; what begins with a space never is. */
export function parseSlash(text: string): { name: string; rest: string } | null {
  const found = /^\/([a-z][a-z-]*)(?:\s+([\s\S]*))?$/.exec(text.trimEnd());
  return found ? { name: found[1] ?? "", rest: found[2]?.trim() ?? "" } : null;
}

/** What is to be done for a text; `null` where it is a text and no command. */
export function outcomeOf(state: SessionState, text: string): Outcome | null {
  const parsed = parseSlash(text);
  if (!parsed) return null;
  const slash = SLASHES.find(({ name }) => name === parsed.name);
  if (!slash) return wrong(`There is no command /${parsed.name}. With a space before it, it is sent as it is.`);
  if (!slash.isOffered(currentTask(state))) return wrong(`/${slash.name} is not for now: ${stands(state)}.`);
  if (slash.given && !slash.given.endsWith("?") && !parsed.rest)
    return wrong(`/${slash.name} needs something after it: /${slash.name} ${slash.given}`);
  if (!slash.given && parsed.rest) return wrong(`/${slash.name} stands alone: nothing comes after it.`);
  return slash.outcome(state, parsed.rest);
}

function stands(state: SessionState): string {
  const task = currentTask(state);
  return task ? `the task is ${task.status}` : "there is no task yet";
}

function limitedTask(name: string, about: string, limit: { plan_only: true } | { research_only: true }): Slash {
  const outcome = (state: SessionState, content: string): Outcome => ({
    kind: "send",
    wish: { type: "task", session_id: state.sessionId, content, ...limit },
  });
  return { name, about, given: "TASK", isOffered: whenIdle, outcome };
}

function message(delivery: "steer" | "queue", about: string): Slash {
  const outcome = (state: SessionState, content: string): Outcome => ({
    kind: "send",
    wish: { type: "message", session_id: state.sessionId, content, delivery },
  });
  return { name: delivery, about, given: "TEXT", isOffered: isOpen, outcome };
}

function toTask(type: "pause" | "resume" | "cancel", about: string, isOffered: Slash["isOffered"]): Slash {
  const outcome = (state: SessionState): Outcome => ({ kind: "send", wish: { type, ...aboutTask(state) } });
  return { name: type, about, isOffered, outcome };
}

function dialog(kind: "settings" | "rename" | "share" | "export", about: string): Slash {
  return { name: kind, about, isOffered: always, outcome: () => ({ kind: "dialog", dialog: { kind } }) };
}

function retry(state: SessionState, phase: string): Outcome {
  const known = currentTask(state)?.phases.map(({ name }) => name) ?? [];
  if (phase && !known.includes(phase)) return wrong(`There is no phase ${phase}, only ${known.join(", ")}.`);
  return { kind: "send", wish: { type: "retry", ...aboutTask(state), ...(phase ? { phase } : {}) } };
}

function aboutTask(state: SessionState) {
  return { session_id: state.sessionId, task_id: currentTask(state)?.id ?? null };
}

function withSeq(state: SessionState, rest: string, make: (seq: number) => SessionDialog): Outcome {
  const seq = Number(rest);
  const isThere = Number.isInteger(seq) && seq >= 1 && seq <= state.seq;
  if (!isThere) return wrong(`${rest} is no event of this session: they go from 1 to ${state.seq}.`);
  return { kind: "dialog", dialog: make(seq) };
}
