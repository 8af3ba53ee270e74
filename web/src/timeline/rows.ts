/** Which items the timeline has a row for. */
import type { Event } from "../protocol";
import type { Item, SessionState } from "../store/session";
import { noticeOf } from "./notices";

/** Calls by which a phase hands over its result. */
const HANDED_OVER = new Set(["submit_research", "submit_plan", "submit_implementation", "update_plan_step"]);
const WITH_CARD = new Set<Event["type"]>([
  "phase_started",
  "checkpoint_created",
  "research_complete",
  "planning_complete",
  "implementation_complete",
  "task_completed",
  "task_failed",
]);

export function shownItems(state: SessionState): Item[] {
  return state.items.filter(isShown);
}

export function isHandedOver(tool: string): boolean {
  return HANDED_OVER.has(tool);
}

function isShown(item: Item): boolean {
  // What a phase hands over has a card of its own, unless the call failed.
  if (item.kind === "tool") return item.status === "failed" || !isHandedOver(item.tool);
  if (item.kind === "event") return WITH_CARD.has(item.event.type) || noticeOf(item.event) !== null;
  return true;
}

const HEIGHTS: Record<Item["kind"], number> = { task: 80, message: 70, reasoning: 36, tool: 46, event: 40 };
const LINE = 20;
const MOST_LINES = 16;

/** In pixels, until the row was drawn once. */
export function estimateHeight(item: Item | undefined): number {
  if (item?.kind === "tool" && item.tool === "run_command" && item.result !== null)
    return 2 * HEIGHTS.tool + LINE * countLines(item.result);
  return HEIGHTS[item?.kind ?? "event"];
}

function countLines(text: string): number {
  let lines = 1;
  for (let at = text.indexOf("\n"); at >= 0 && lines < MOST_LINES; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
