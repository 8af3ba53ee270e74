import { currentTask, type SessionState } from "../store/session";
import { capital } from "./format";

/** For people who do not see the page: changes of state, never the text as it is streamed. */
export function Announcer({ state }: { state: SessionState }) {
  const task = currentTask(state);
  const phase = task?.phases.find((one) => one.status === "running");
  const ask = state.asks[0];
  const sentence = ask
    ? `The task needs you: ${ask.kind === "plan" ? "a plan is proposed" : ask.kind}.`
    : task
      ? `Task ${task.status}${task.status === "running" && phase ? `: ${capital(phase.name)}` : ""}.`
      : "";
  return (
    <p className="sr-only" aria-live="polite">
      {sentence}
    </p>
  );
}
