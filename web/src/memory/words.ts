/** Memory in words for people. */
import type { MemoryChange, MemoryEntry, Place } from "../protocol";

export const KINDS: Record<MemoryEntry["kind"], string> = {
  key_fact: "Fact",
  decision: "Decision",
  key_snippet: "Snippet",
  research_note: "Research note",
  related_file: "Related file",
  work_log: "Work log",
};

export const CONFIDENCES = ["certain", "likely", "unsure"] as const;

export const CHANGES: Record<MemoryChange["change"], string> = {
  added: "added",
  merged: "said again",
  updated: "changed",
  superseded: "replaced",
  forgotten: "forgotten",
  restored: "restored",
  conflicting: "contradicted",
  settled: "settled",
};

export const SOURCES: Record<NonNullable<MemoryEntry["source"]>, string> = {
  user: "a person's words",
  agent: "an agent's words",
  file: "from a file",
  web: "from the web",
  tool: "from a tool",
};

export function placeWords({ path, start_line: start, end_line: end }: Place): string {
  if (!start) return path;
  return `${path}:${start}${end && end !== start ? `–${end}` : ""}`;
}

/** As tags are typed: with spaces or commas between them. */
export function tagsOf(typed: string): string[] {
  return [...new Set(typed.split(/[\s,]+/).filter(Boolean))];
}

export function day(time: string): string {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
