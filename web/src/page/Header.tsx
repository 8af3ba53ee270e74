import { Check, CircleStop, Minus, Pause, Play, RotateCcw, X } from "lucide-react";
import type { ReactNode } from "react";
import { PeopleButton } from "../people/PeopleButton";
import { useClient } from "../store/client";
import { currentTask, isOpen, type Phase, type SessionState, type Task } from "../store/session";
import { capital, cost, count, elapsed, lastName, nameOf } from "./format";
import { useAction, useNow, useRefusal } from "./hooks";
import { SessionMenu } from "./SessionMenu";
import { Status } from "./Status";

/** What the session is about, how far it is, and what can be done with its task. */
export function Header({ state, menu }: { state: SessionState; menu: ReactNode }) {
  const task = currentTask(state);
  const status = task && state.asks.length ? "needs_you" : (task?.status ?? "idle");
  return (
    <header className="@container border-b border-line bg-surface px-3 pt-[max(0.5rem,env(safe-area-inset-top))] pb-2 md:px-5">
      <div className="flex items-center gap-2">
        {menu}
        <div className="min-w-0 grow">
          <h1 className="truncate font-semibold" title={task?.request.content ?? state.title}>
            {nameOf(state.title, state.project, task?.request.content) || "…"}
          </h1>
          <p className="flex items-center gap-2 text-xs text-muted">
            {state.seq > 0 && <Status status={status} />}
            <span className="truncate" title={state.project}>
              {lastName(state.project)}
            </span>
            {task && <Elapsed task={task} />}
            {task?.usage && <Spent task={task} />}
            {task?.context && isOpen(task) && <Context {...task.context} />}
          </p>
        </div>
        {task && <Controls state={state} task={task} />}
        <PeopleButton state={state} />
        {state.seq > 0 && <SessionMenu state={state} />}
      </div>
      {task && task.phases.length > 0 && <Way task={task} />}
    </header>
  );
}

function Elapsed({ task }: { task: Task }) {
  const now = useNow(task.endedAt === null && task.startedAt !== null);
  if (!task.startedAt) return null;
  const end = task.endedAt ? Date.parse(task.endedAt) : now;
  return <span className="whitespace-nowrap tabular-nums">{elapsed(end - Date.parse(task.startedAt))}</span>;
}

function Spent({ task }: { task: Task }) {
  const { usage, request } = task;
  if (!usage) return null;
  const tokens = (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
  const limit = request.settings?.max_cost_usd;
  return (
    <span className="whitespace-nowrap tabular-nums" title={`${usage.requests ?? 0} model calls, ${tokens} tokens`}>
      {cost(usage.cost_usd)}
      {limit ? ` of ${cost(limit)}` : ""} <span className="@max-md:hidden">· {count(tokens)} tokens</span>
    </span>
  );
}

/** How much of what a model is given at a time is taken; beyond it the conversation is compacted. */
function Context({ used, limit }: { used: number; limit: number }) {
  const percent = Math.min(100, Math.round((100 * used) / limit));
  const words = `Context: ${count(used)} of ${count(limit)} tokens`;
  return (
    <span className="flex items-center gap-1 whitespace-nowrap tabular-nums @max-md:hidden" title={words}>
      <span className="h-1.5 w-10 overflow-hidden rounded-full bg-raised @max-2xl:hidden" aria-hidden="true">
        <span
          className={`block h-full rounded-full ${percent > 80 ? "bg-warn" : "bg-fill"}`}
          style={{ width: `${percent}%` }}
        />
      </span>
      {percent}% context
    </span>
  );
}

function Controls({ state, task }: { state: SessionState; task: Task }) {
  const client = useClient();
  const why = useRefusal(state, "steer");
  const about = { session_id: state.sessionId, task_id: task.id };
  const pause = useAction(() => client.send({ type: "pause", ...about }));
  const resume = useAction(() => client.send({ type: "resume", ...about }));
  const cancel = useAction(() => client.send({ type: "cancel", ...about }));
  const retry = useAction(() => client.send({ type: "retry", ...about }));
  const error = [pause, resume, cancel, retry].find((action) => action.error)?.error;
  const button = (word: string, icon: ReactNode, action: typeof pause, waiting = false) => (
    <button
      type="button"
      className="button"
      aria-label={word}
      title={why ?? word}
      disabled={action.busy || waiting || why !== null}
      onClick={() => void action.run()}
    >
      {icon} <span className="@max-2xl:hidden">{waiting ? `${word} …` : word}</span>
    </button>
  );
  return (
    <div className="flex shrink-0 items-center gap-2">
      {error && (
        <span role="alert" className="text-xs text-bad">
          {error}
        </span>
      )}
      {task.status === "running" && button("Pause", <Pause size={15} aria-hidden />, pause, task.wish === "pause")}
      {task.status === "paused" && button("Resume", <Play size={15} aria-hidden />, resume)}
      {isOpen(task) && button("Cancel", <CircleStop size={15} aria-hidden />, cancel, task.wish === "cancel")}
      {(task.status === "failed" || task.status === "cancelled") &&
        button("Retry", <RotateCcw size={15} aria-hidden />, retry)}
    </div>
  );
}

const MARKS: Record<Phase["status"], { icon: ReactNode; look: string; word: string }> = {
  pending: { icon: null, look: "border border-line text-faint", word: "to come" },
  running: {
    icon: <span className="pulse size-2 rounded-full bg-current" />,
    look: "bg-accent-soft text-accent",
    word: "now",
  },
  done: { icon: <Check size={12} strokeWidth={3} />, look: "bg-good-soft text-good", word: "done" },
  failed: { icon: <X size={12} strokeWidth={3} />, look: "bg-bad-soft text-bad", word: "not finished" },
  skipped: { icon: <Minus size={12} strokeWidth={3} />, look: "bg-raised text-faint", word: "skipped" },
};

function Way({ task }: { task: Task }) {
  const { progress } = task;
  const percent = progress?.percent ?? 0;
  const running = task.status === "running";
  return (
    <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-1.5">
      <ol className="flex items-center gap-1.5" aria-label="Phases">
        {task.phases.map((phase, index) => (
          <li key={phase.name} className="flex items-center gap-1.5">
            {index > 0 && <span className="h-px w-3 bg-line md:w-5" aria-hidden="true" />}
            <span
              className={`grid size-5 place-items-center rounded-full ${MARKS[phase.status].look}`}
              aria-hidden="true"
            >
              {MARKS[phase.status].icon}
            </span>
            <span className={`text-xs ${phase.status === "running" ? "font-medium text-ink" : "text-muted"}`}>
              {capital(phase.name)} <span className="sr-only">({MARKS[phase.status].word})</span>
            </span>
          </li>
        ))}
      </ol>
      <div className="flex min-w-40 grow items-center gap-2">
        <div
          role="progressbar"
          aria-label="Progress"
          aria-valuenow={Math.round(percent)}
          aria-valuemin={0}
          aria-valuemax={100}
          className="h-1.5 grow overflow-hidden rounded-full bg-raised"
        >
          <div
            className={`h-full rounded-full transition-[width] duration-500 ${task.status === "failed" ? "bg-bad" : "bg-fill"}`}
            style={{ width: `${percent}%` }}
          />
        </div>
        <span className="w-9 text-right text-xs text-muted tabular-nums">{Math.round(percent)}%</span>
      </div>
      {running && progress?.label && (
        <p className="w-full truncate text-xs text-muted" title={progress.label}>
          {progress.label}
          {progress.steps ? ` (step ${progress.step ?? 1} of ${progress.steps})` : ""}
        </p>
      )}
    </div>
  );
}
