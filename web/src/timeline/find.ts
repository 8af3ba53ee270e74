/** Finds text in what the timeline shows. */
import type { Item } from "../store/session";
import { noticeOf } from "./notices";

/** The keys of the rows that have it, in their order; none where nothing is looked for. */
export function findRows(rows: readonly Item[], typed: string): string[] {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return [];
  return rows.filter((row) => textOf(row).toLowerCase().includes(wanted)).map((row) => row.key);
}

/** All that a row can show, also where it is folded. */
function textOf(item: Item): string {
  switch (item.kind) {
    case "task":
      return item.request.content;
    case "message":
    case "reasoning":
      return item.text;
    case "tool":
      return [
        item.tool,
        ...Object.values(item.arguments).map(asText),
        item.result ?? "",
        item.code ?? "",
        ...item.changes.map(({ path }) => path),
      ].join("\n");
    case "event":
      return `${noticeOf(item.event)?.text ?? ""}\n${textsIn(item.event.data)}`;
    default: {
      const unknown: never = item;
      return unknown;
    }
  }
}

const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** Shown as a number only. */
const COUNTED = new Set(["files_changed", "diff_stat", "usage"]);

/** The texts that people read, without the names of the fields. */
function textsIn(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return "";
  const shown = Object.entries(value).filter(([name]) => !COUNTED.has(name));
  return shown
    .map(([, inner]) => textsIn(inner))
    .filter(Boolean)
    .join("\n");
}

/** The next one after `current`, or the one before it, round the end; the last one where there is no current. */
export function stepFrom(found: readonly string[], current: string | null, step: 1 | -1): string | null {
  const at = current === null ? -1 : found.indexOf(current);
  if (at < 0) return found.at(-1) ?? null;
  return found[(at + step + found.length) % found.length] ?? null;
}
