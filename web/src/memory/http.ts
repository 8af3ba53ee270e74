/** The HTTP routes of memory. Each raises `Failure`. */
import { json } from "../http";
import type { MemoryChange, MemoryConflict, MemoryEntry, Proposal } from "../protocol";
import type { Scope } from "./feed";

export interface Where {
  readonly project: string;
  readonly scope: Scope;
}

type Kind = MemoryEntry["kind"];

export const searchMemory = (where: Where, query: string, kind: Kind | null): Promise<MemoryEntry[]> =>
  json("GET", `/v1/memory/search?${parameters(where, { q: query, limit: "50", ...(kind ? { kind } : {}) })}`);

/** What is known no more; the newest last. */
export const listGone = (where: Where): Promise<MemoryEntry[]> =>
  json("GET", `/v1/memory?${parameters(where, { limit: "1000" })}&status=forgotten&status=superseded`);

export const listConflicts = (where: Where): Promise<MemoryConflict[]> =>
  json("GET", `/v1/memory/conflicts?${parameters(where, {})}`);

/** What is probably of no use any more, and why. */
export const listProposals = (where: Where): Promise<Proposal[]> =>
  json("GET", `/v1/memory/clean-up?${parameters(where, {})}`);

export const readEntry = (id: string): Promise<MemoryEntry> => json("GET", `/v1/memory/${encodeURIComponent(id)}`);

/** Every version, the first one first. */
export const readHistory = (id: string): Promise<MemoryChange[]> =>
  json("GET", `/v1/memory/${encodeURIComponent(id)}/history`);

function parameters({ project, scope }: Where, more: Record<string, string>): string {
  return new URLSearchParams({ scope, ...(scope === "project" ? { project } : {}), ...more }).toString();
}
