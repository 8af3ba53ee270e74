/** What a text can be completed to where one writes. */
import { matching } from "../palette/match";
import { changedFiles, currentTask, type SessionState } from "../store/session";
import { SLASHES } from "./slash";

export interface Completion {
  readonly word: string;
  readonly about: string;
  /** The text with it, and where one writes on. */
  readonly text: string;
  readonly cursor: number;
}

const MOST = 8;

export function completionsOf(state: SessionState, text: string, cursor: number): Completion[] {
  const before = text.slice(0, cursor);
  const command = /^\/([a-z-]*)$/.exec(before);
  const file = /(?:^|\s)@(\S*)$/.exec(before);
  const all = command
    ? commands(state, command[1] ?? "", text, cursor)
    : file
      ? files(state, file[1] ?? "", text, cursor)
      : [];
  return all.filter((one) => one.text.trimEnd() !== text.trimEnd()).slice(0, MOST);
}

function commands(state: SessionState, typed: string, text: string, cursor: number): Completion[] {
  const task = currentTask(state);
  const offered = SLASHES.filter((slash) => slash.isOffered(task) && slash.name.startsWith(typed));
  return offered.map(({ name, given, about }) => {
    const whole = `/${name}${given ? " " : ""}`;
    const word = `/${name}${given ? ` ${given}` : ""}`;
    return { word, about, text: whole + text.slice(cursor).trimStart(), cursor: whole.length };
  });
}

/** A path stands in the text as it is, without the sign: so the agent can use it. */
function files(state: SessionState, typed: string, text: string, cursor: number): Completion[] {
  const begin = cursor - typed.length - 1;
  const changed = new Set(changedFiles(state).map(({ path }) => path));
  const known = namedFiles(state).map((path) => ({ word: path, about: changed.has(path) ? "changed" : "" }));
  return matching(known, typed).map(({ word, about }) => {
    const put = `${word} `;
    const rest = text.slice(cursor).replace(/^ /, "");
    return { word, about, text: text.slice(0, begin) + put + rest, cursor: begin + put.length };
  });
}

/** Files that the log names: those changed, those read, written or searched, and those of plans and research. */
export function namedFiles(state: SessionState): string[] {
  const paths = new Set(state.files.keys());
  for (const item of state.items) {
    if (item.kind === "tool" && item.status !== "failed" && FILE_TOOLS.has(item.tool)) add(paths, item.arguments.path);
    if (item.kind !== "event") continue;
    if (item.event.type === "research_complete") for (const path of item.event.data.related_files) add(paths, path);
  }
  for (const task of state.tasks)
    for (const step of task.plan?.plan.steps ?? []) for (const path of step.files ?? []) add(paths, path);
  return [...paths].sort();
}

const FILE_TOOLS = new Set(["read_file", "write_file", "edit_file"]);

function add(paths: Set<string>, path: unknown): void {
  if (typeof path === "string" && path) paths.add(path);
}
