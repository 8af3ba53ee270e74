/** What a tool call is about, in a few words. */
import {
  Brain,
  FilePenLine,
  FileText,
  FlaskConical,
  FolderTree,
  GitCompare,
  Globe,
  type LucideIcon,
  MessageCircleQuestionMark,
  Search,
  SquareTerminal,
  Users,
  Wrench,
} from "lucide-react";

type Arguments = Readonly<Record<string, unknown>>;

interface Look {
  icon: LucideIcon;
  word: string;
  /** The argument that says it all. */
  main: string;
}

const LOOKS: Readonly<Record<string, Look>> = {
  read_file: { icon: FileText, word: "Read", main: "path" },
  list_files: { icon: FolderTree, word: "List files", main: "path" },
  search_files: { icon: Search, word: "Search", main: "pattern" },
  write_file: { icon: FilePenLine, word: "Write", main: "path" },
  edit_file: { icon: FilePenLine, word: "Edit", main: "path" },
  apply_patch: { icon: FilePenLine, word: "Patch", main: "" },
  run_command: { icon: SquareTerminal, word: "Run", main: "command" },
  run_tests: { icon: FlaskConical, word: "Run the tests", main: "command" },
  read_output: { icon: SquareTerminal, word: "Read output", main: "command_id" },
  stop_command: { icon: SquareTerminal, word: "Stop", main: "command_id" },
  git_diff: { icon: GitCompare, word: "Look at the changes", main: "" },
  remember: { icon: Brain, word: "Remember", main: "content" },
  recall: { icon: Brain, word: "Recall", main: "query" },
  ask_user: { icon: MessageCircleQuestionMark, word: "Ask you", main: "question" },
  ask_expert: { icon: Users, word: "Ask the expert", main: "question" },
  delegate: { icon: Users, word: "Delegate", main: "task" },
  web_search: { icon: Globe, word: "Search the web", main: "query" },
  web_fetch: { icon: Globe, word: "Read", main: "url" },
};

export function lookOf(tool: string): Look {
  return LOOKS[tool] ?? { icon: Wrench, word: tool, main: "" };
}

export function mainArgument(tool: string, given: Arguments): string {
  const { main } = lookOf(tool);
  const value = main ? given[main] : undefined;
  if (typeof value === "string") return value;
  return main || !Object.keys(given).length ? "" : JSON.stringify(given);
}
