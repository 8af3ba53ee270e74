/** What a row is about: the timeline is narrowed by it. */

import type { Item } from "../store/session";
import { Store } from "../store/store";

export const KINDS = [
  { kind: "messages", word: "Messages" },
  { kind: "tools", word: "Tools" },
  { kind: "files", word: "Files" },
  { kind: "approvals", word: "Approvals" },
  { kind: "errors", word: "Errors" },
] as const;

export type Kind = (typeof KINDS)[number]["kind"];

const KEPT = "vgproject.kinds";

/** Those that are shown, kept in this browser; where there are none, all is. */
export const shownKinds = new Store<readonly Kind[]>(parseKinds(localStorage.getItem(KEPT)));

export function chooseKinds(kinds: readonly Kind[]): void {
  localStorage.setItem(KEPT, kinds.join(" "));
  shownKinds.set(kinds);
}

export function toggled(kinds: readonly Kind[], kind: Kind): Kind[] {
  return KINDS.map((one) => one.kind).filter((one) => kinds.includes(one) !== (one === kind));
}

export function parseKinds(kept: string | null): Kind[] {
  const words = kept?.split(" ") ?? [];
  return KINDS.map(({ kind }) => kind).filter((kind) => words.includes(kind));
}

export function isOfKinds(item: Item, kinds: readonly Kind[]): boolean {
  return !kinds.length || kindsOf(item).some((kind) => kinds.includes(kind));
}

/** A row can be about several things: a call that changed files after somebody had approved it. */
export function kindsOf(item: Item): Kind[] {
  switch (item.kind) {
    case "task":
    case "message":
    case "reasoning":
      return ["messages"];
    case "tool":
      return [
        "tools",
        ...(item.changes.length ? (["files"] as const) : []),
        ...(item.decision || item.status === "waiting" ? (["approvals"] as const) : []),
        ...(item.status === "failed" ? (["errors"] as const) : []),
      ];
    case "event":
      return EVENT_KINDS[item.event.type] ?? [];
    default: {
      const unknown: never = item;
      return unknown;
    }
  }
}

const EVENT_KINDS: Partial<Record<Extract<Item, { kind: "event" }>["event"]["type"], Kind[]>> = {
  error: ["errors"],
  task_failed: ["errors", "messages"],
  task_completed: ["messages"],
  phase_failed: ["errors"],
  phase_retrying: ["errors"],
  model_retried: ["errors"],
  model_fell_back: ["errors"],
  research_complete: ["messages"],
  planning_complete: ["messages"],
  implementation_complete: ["messages", "files"],
  comment_added: ["messages"],
  question_answered: ["messages", "approvals"],
  plan_resolved: ["approvals"],
  recovery_decision_requested: ["approvals"],
  recovery_decision_resolved: ["approvals"],
  approvals_revoked: ["approvals"],
  checkpoint_created: ["files"],
  workspace_created: ["files"],
  workspace_rewound: ["files"],
  workspace_applied: ["files"],
};
