/** Roles in words: what each may also do, after those before it. */
import type { Role } from "../access";

export const ROLE_WORDS: Record<Role, string> = {
  viewer: "sees sessions, events, changes and memory",
  editor: "also gives tasks and messages, answers questions, rewinds, forks, and writes memory",
  approver: "also decides approvals, plans and recoveries, and applies changes to the project",
  owner: "also manages members and deletes the session; an owner's token does so in every session, and makes tokens",
};

export const EVERYBODY = "*";
