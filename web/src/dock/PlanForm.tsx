import { ArrowDown, ArrowUp, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Plan, PlanProposedData, PlanStep, ResolvePlan } from "../protocol";
import { Markdown } from "../text/Markdown";
import { Answers, Ask } from "./parts";
import { useAnswer } from "./useAnswer";

/** The gate between planning and implementation: the plan can be changed, sent back, or thrown away. */
export function PlanForm({ sessionId, data }: { sessionId: string; data: PlanProposedData }) {
  const [steps, setSteps] = useState<readonly PlanStep[]>(data.plan.steps);
  const [reason, setReason] = useState("");
  const { answer, busy, error } = useAnswer();
  const changed = steps !== data.plan.steps;
  const plan: Plan = { ...data.plan, steps: [...steps] };
  const complete = steps.length > 0 && steps.every((step) => step.title.trim());
  const resolve = (decision: ResolvePlan["decision"]) =>
    answer({
      type: "resolve_plan",
      session_id: sessionId,
      approval_id: data.approval_id,
      decision,
      ...(changed && decision !== "reject" ? { plan } : {}),
      ...(reason.trim() ? { reason: reason.trim() } : {}),
    });
  const change = (index: number, title: string) =>
    setSteps(steps.map((step, place) => (place === index ? { ...step, title } : step)));
  const move = (index: number, by: number) => {
    const next = steps.filter((_, place) => place !== index);
    const step = steps[index];
    if (step) setSteps([...next.slice(0, index + by), step, ...next.slice(index + by)]);
  };
  return (
    <>
      <Ask title="A plan is proposed. Follow it?">
        <Markdown text={data.plan.summary} />
      </Ask>
      <ol className="mt-3 grid gap-1.5" aria-label="Steps">
        {steps.map((step, index) => (
          <li key={step.id} className="flex items-center gap-1">
            <span className="w-5 shrink-0 text-right text-xs text-faint">{index + 1}</span>
            <input
              className="field"
              aria-label={`Step ${index + 1}`}
              value={step.title}
              onChange={(event) => change(index, event.target.value)}
            />
            <StepButton label={`Move step ${index + 1} up`} disabled={index === 0} onClick={() => move(index, -1)}>
              <ArrowUp size={15} aria-hidden />
            </StepButton>
            <StepButton
              label={`Move step ${index + 1} down`}
              disabled={index === steps.length - 1}
              onClick={() => move(index, 1)}
            >
              <ArrowDown size={15} aria-hidden />
            </StepButton>
            <StepButton
              label={`Leave out step ${index + 1}`}
              disabled={steps.length === 1}
              onClick={() => setSteps(steps.filter((_, place) => place !== index))}
            >
              <Trash2 size={15} aria-hidden />
            </StepButton>
          </li>
        ))}
      </ol>
      <button
        type="button"
        className="button button-quiet mt-1"
        onClick={() => setSteps([...steps, { id: newStepId(steps), title: "" }])}
      >
        <Plus size={15} aria-hidden /> Add a step
      </button>
      <label className="mt-2 block">
        <span className="label">What should be different (told to the agent)</span>
        <input className="field" value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <Answers error={error}>
        <button
          type="button"
          className="button button-main"
          disabled={busy || !complete}
          onClick={() => resolve("approve")}
        >
          {changed ? "Follow the changed plan" : "Follow the plan"}
        </button>
        <button type="button" className="button" disabled={busy || !complete} onClick={() => resolve("revise")}>
          Plan again
        </button>
        <button type="button" className="button button-danger" disabled={busy} onClick={() => resolve("reject")}>
          Reject
        </button>
      </Answers>
    </>
  );
}

function newStepId(steps: readonly PlanStep[]): string {
  let number = steps.length + 1;
  while (steps.some((step) => step.id === String(number))) number++;
  return String(number);
}

interface StepButtonProps {
  label: string;
  disabled: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

function StepButton({ label, disabled, onClick, children }: StepButtonProps) {
  return (
    <button
      type="button"
      className="button button-quiet button-icon"
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
