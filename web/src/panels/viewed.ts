/** Which changes the person has looked at, by file: kept in this browser, and only while the change is the same. */
import { useState } from "react";
import type { FileDiff } from "../text/diff";

type Seen = Readonly<Record<string, number>>;

export interface Viewed {
  has(file: FileDiff): boolean;
  toggle(file: FileDiff): void;
}

export function useViewed(sessionId: string): Viewed {
  const key = `vgproject.viewed.${sessionId}`;
  const [seen, setSeen] = useState<Seen>(() => readSeen(localStorage.getItem(key)));
  const has = (file: FileDiff) => seen[file.path] === digest(file);
  const toggle = (file: FileDiff) => {
    const { [file.path]: _, ...others } = seen;
    const next = has(file) ? others : { ...others, [file.path]: digest(file) };
    if (Object.keys(next).length) localStorage.setItem(key, JSON.stringify(next));
    else localStorage.removeItem(key);
    setSeen(next);
  };
  return { has, toggle };
}

export function readSeen(kept: string | null): Seen {
  try {
    const read: unknown = JSON.parse(kept ?? "{}");
    return typeof read === "object" && read !== null ? (read as Seen) : {};
  } catch {
    return {};
  }
}

/** Another one where the change is another. */
export function digest({ lines, change }: FileDiff): number {
  let sum = change.length;
  for (const { kind, text } of lines)
    for (let index = -1; index < text.length; index++)
      sum = (Math.imul(sum, 31) + (index < 0 ? kind.length : text.charCodeAt(index))) | 0;
  return sum;
}
