import { useState } from "react";
import { useRefusal } from "../page/hooks";
import type { Ask, SessionState } from "../store/session";
import { ApprovalForm } from "./ApprovalForm";
import { BudgetForm, LoopForm } from "./PauseForms";
import { PlanForm } from "./PlanForm";
import { QuestionForm } from "./QuestionForm";
import { RecoveryForm } from "./RecoveryForm";

/** What an answer to it is. */
const TAKES: Record<Ask["kind"], "edit" | "decide" | "steer"> = {
  approval: "decide",
  plan: "decide",
  recovery: "decide",
  question: "edit",
  budget: "steer",
  loop: "steer",
};

/** What waits for a person stays here until somebody has answered it, here or elsewhere. */
export function Dock({ state }: { state: SessionState }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const whyNot = {
    edit: useRefusal(state, "edit"),
    decide: useRefusal(state, "decide"),
    steer: useRefusal(state, "steer"),
  };
  const { asks } = state;
  const ask = asks.find((one) => one.id === chosen) ?? asks[0];
  if (!ask) return null;
  const why = whyNot[TAKES[ask.kind]];
  const place = asks.indexOf(ask);
  return (
    <section
      aria-label="Needs you"
      className="mb-2 max-h-[52vh] overflow-y-auto rounded-xl border-2 border-warn bg-surface px-4 pt-3 shadow-lg"
    >
      {asks.length > 1 && (
        <p className="mb-2 flex items-center justify-between text-xs text-muted">
          {place + 1} of {asks.length} that wait for you
          <button
            type="button"
            className="button"
            onClick={() => setChosen(asks[(place + 1) % asks.length]?.id ?? null)}
          >
            Next
          </button>
        </p>
      )}
      {why && <p className="mb-2 text-sm text-muted">Someone else has to answer: {why}</p>}
      <fieldset disabled={why !== null} className="contents">
        <Form key={ask.id} ask={ask} sessionId={state.sessionId} />
      </fieldset>
    </section>
  );
}

function Form({ ask, sessionId }: { ask: Ask; sessionId: string }) {
  switch (ask.kind) {
    case "approval":
      return <ApprovalForm sessionId={sessionId} data={ask.data} />;
    case "question":
      return <QuestionForm sessionId={sessionId} data={ask.data} />;
    case "plan":
      return <PlanForm sessionId={sessionId} data={ask.data} />;
    case "recovery":
      return <RecoveryForm sessionId={sessionId} data={ask.data} />;
    case "budget":
      return <BudgetForm sessionId={sessionId} taskId={ask.taskId} phase={ask.phase} data={ask.data} />;
    case "loop":
      return <LoopForm sessionId={sessionId} taskId={ask.taskId} data={ask.data} />;
    default: {
      const unknown: never = ask;
      return unknown;
    }
  }
}
