import { Check, Circle, LoaderCircle, Minus, X } from "lucide-react";
import type { ReactNode } from "react";
import { CommentButton } from "../people/CommentButton";
import { Comments } from "../people/Comments";
import { stepPlace } from "../people/threads";
import type { SessionState, StepStatus } from "../store/session";
import { Markdown } from "../text/Markdown";

const MARKS: Record<StepStatus, { icon: ReactNode; look: string; word: string }> = {
  pending: { icon: <Circle size={16} />, look: "text-faint", word: "to do" },
  running: { icon: <LoaderCircle size={16} className="spin" />, look: "text-accent", word: "now" },
  done: { icon: <Check size={16} />, look: "text-good", word: "done" },
  failed: { icon: <X size={16} />, look: "text-bad", word: "failed" },
  skipped: { icon: <Minus size={16} />, look: "text-faint", word: "skipped" },
};

/** The last plan, with what of it is done. */
export function PlanPanel({ state }: { state: SessionState }) {
  const task = state.tasks.findLast((one) => one.plan);
  if (!task?.plan) return <p className="panel-empty">The plan will be here when planning has made one.</p>;
  const { plan, statuses } = task.plan;
  const place = (stepId: string) => stepPlace(task.id, stepId);
  const done = plan.steps.filter((step) => statuses[step.id] === "done").length;
  return (
    <div className="p-4">
      <Markdown text={plan.summary} />
      <p className="mt-3 text-xs text-muted">
        {done} of {plan.steps.length} steps done
      </p>
      <ol className="mt-2 grid gap-2" aria-label="Steps of the plan">
        {plan.steps.map((step) => {
          const mark = MARKS[statuses[step.id] ?? "pending"];
          return (
            <li key={step.id} className="group/row card flex gap-3 p-3">
              <span className={`mt-0.5 shrink-0 ${mark.look}`} title={mark.word}>
                <span aria-hidden="true">{mark.icon}</span>
                <span className="sr-only">{mark.word}</span>
              </span>
              <div className="min-w-0 grow">
                <p className="flex items-start gap-2">
                  <span className="grow font-medium">{step.title}</span>
                  <CommentButton place={place(step.id)} about={`the step ${step.title}`} />
                </p>
                {step.description && <p className="text-sm break-words text-muted">{step.description}</p>}
                {step.files && step.files.length > 0 && (
                  <p className="mt-1 flex flex-wrap gap-1">
                    {step.files.map((file) => (
                      <code key={file} className="rounded bg-raised px-1.5 text-xs text-muted">
                        {file}
                      </code>
                    ))}
                  </p>
                )}
                <Comments state={state} place={place(step.id)} target={{ step_id: step.id }} />
              </div>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
