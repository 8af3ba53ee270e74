import { type FormEvent, useState } from "react";
import type { BudgetExceededData, LoopPausedData, SessionSettings } from "../protocol";
import { Answers, Ask } from "./parts";
import { useAnswer } from "./useAnswer";

const UNITS: Record<BudgetExceededData["limit"], string> = {
  cost_usd: "USD",
  tokens: "tokens",
  turns: "model calls",
  seconds: "seconds of work",
};
const TASK_LIMITS = {
  cost_usd: "max_cost_usd",
  tokens: "max_tokens",
  turns: "max_task_turns",
  seconds: "max_seconds",
} as const satisfies Record<BudgetExceededData["limit"], keyof SessionSettings>;

interface Pause {
  sessionId: string;
  taskId: string | null;
}

/** A limit is used up: it goes on with a higher one. */
export function BudgetForm({
  sessionId,
  taskId,
  phase,
  data,
}: Pause & { phase: string | null; data: BudgetExceededData }) {
  const [limit, setLimit] = useState(String(data.allowed * 2));
  const { answer, busy, error } = useAnswer();
  const about = { session_id: sessionId, task_id: taskId };
  const raise = (event: FormEvent) => {
    event.preventDefault();
    const settings = raised(data, phase, Number(limit));
    answer({ type: "update_settings", session_id: sessionId, settings }, { type: "resume", ...about });
  };
  return (
    <form onSubmit={raise}>
      <Ask title="The budget is used up">
        {data.used} of {data.allowed} {UNITS[data.limit]}
        {data.scope === "phase" && phase ? ` for ${phase}` : ""}.
      </Ask>
      <label className="mt-3 block max-w-60">
        <span className="label">New limit in {UNITS[data.limit]}</span>
        <input
          className="field"
          type="number"
          min={data.allowed}
          step="any"
          value={limit}
          onChange={(event) => setLimit(event.target.value)}
        />
      </label>
      <Answers error={error}>
        <button type="submit" className="button button-main" disabled={busy || !(Number(limit) > data.allowed)}>
          Raise it and go on
        </button>
        <StopButton busy={busy} onStop={() => answer({ type: "cancel", ...about })} />
      </Answers>
    </form>
  );
}

function raised(data: BudgetExceededData, phase: string | null, value: number): SessionSettings {
  const number = data.limit === "tokens" || data.limit === "turns" ? Math.round(value) : value;
  if (data.scope !== "phase" || !phase) return { [TASK_LIMITS[data.limit]]: number };
  const turns = data.limit === "turns" ? { max_turns: number } : {};
  return { phase_budgets: { [phase]: { [data.limit]: number } }, ...turns };
}

/** The agent gets nowhere: a hint helps it on. */
export function LoopForm({ sessionId, taskId, data }: Pause & { data: LoopPausedData }) {
  const [hint, setHint] = useState("");
  const { answer, busy, error } = useAnswer();
  const about = { session_id: sessionId, task_id: taskId };
  const goOn = (event: FormEvent) => {
    event.preventDefault();
    answer(
      { type: "message", session_id: sessionId, content: hint.trim(), delivery: "steer" },
      { type: "resume", ...about },
    );
  };
  return (
    <form onSubmit={goOn}>
      <Ask title="The agent seems to be stuck">
        {data.kind === "repeated_call"
          ? `It made the same call ${data.times} times.`
          : `It made no progress in ${data.times} turns.`}
      </Ask>
      <label className="mt-3 block">
        <span className="label">What it should do instead</span>
        <input className="field" value={hint} onChange={(event) => setHint(event.target.value)} />
      </label>
      <Answers error={error}>
        <button type="submit" className="button button-main" disabled={busy || !hint.trim()}>
          Say so and go on
        </button>
        <StopButton busy={busy} onStop={() => answer({ type: "cancel", ...about })} />
      </Answers>
    </form>
  );
}

function StopButton({ busy, onStop }: { busy: boolean; onStop: () => void }) {
  return (
    <button type="button" className="button button-danger" disabled={busy} onClick={onStop}>
      Stop the task
    </button>
  );
}
