/** A task while it is written. */
import type { SessionSettings, TaskCommand } from "../protocol";

export interface Draft {
  readonly content: string;
  readonly mode: "full" | "plan" | "research";
  /** A directory of the server; empty is its own project. */
  readonly project: string;
  readonly model: string;
  readonly maxCost: string;
  readonly testCommand: string;
  /** Empty is as the server is set up. */
  readonly approvals: "" | NonNullable<SessionSettings["approvals"]>;
  readonly planGate: boolean;
}

export const emptyDraft: Draft = {
  content: "",
  mode: "full",
  project: "",
  model: "",
  maxCost: "",
  testCommand: "",
  approvals: "",
  planGate: false,
};

export type NewTask = Pick<TaskCommand, "content" | "research_only" | "plan_only" | "model" | "settings">;

/** Only what was chosen: the rest is as the session and the server are set up. */
export function taskOf(draft: Draft): NewTask {
  const settings: SessionSettings = {
    ...(draft.maxCost ? { max_cost_usd: Number(draft.maxCost) } : {}),
    ...(draft.approvals ? { approvals: draft.approvals } : {}),
    ...(draft.planGate ? { plan_gate: true } : {}),
    ...(draft.testCommand.trim() ? { test_command: draft.testCommand.trim() } : {}),
  };
  return {
    content: draft.content.trim(),
    ...(draft.mode === "research" ? { research_only: true } : {}),
    ...(draft.mode === "plan" ? { plan_only: true } : {}),
    ...(draft.model.trim() ? { model: draft.model.trim() } : {}),
    ...(Object.keys(settings).length ? { settings } : {}),
  };
}
