/** Changes of text files: git's unified diffs, and the difference of two short texts. */

export interface DiffLine {
  readonly kind: "same" | "added" | "removed" | "hunk";
  readonly text: string;
  /** Its number before and after, where it is there. */
  readonly before: number | null;
  readonly after: number | null;
}

export interface FileDiff {
  readonly path: string;
  readonly change: "added" | "modified" | "deleted" | "renamed";
  readonly binary: boolean;
  readonly additions: number;
  readonly deletions: number;
  readonly lines: readonly DiffLine[];
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

export function parseDiff(text: string): FileDiff[] {
  return text
    .split(/^(?=diff --git )/m)
    .filter((part) => part.startsWith("diff --git "))
    .map(parseFile);
}

function parseFile(part: string): FileDiff {
  const rows = part.replace(/\n$/, "").split("\n");
  const start = rows.findIndex((row) => row.startsWith("@@ "));
  const head = start < 0 ? rows : rows.slice(0, start);
  const lines = start < 0 ? [] : parseLines(rows.slice(start));
  const has = (prefix: string) => head.some((row) => row.startsWith(prefix));
  const change = has("new file")
    ? "added"
    : has("deleted file")
      ? "deleted"
      : has("rename from")
        ? "renamed"
        : "modified";
  return {
    path: pathOf(head),
    change,
    binary: has("Binary files") || has("GIT binary patch"),
    additions: lines.filter((line) => line.kind === "added").length,
    deletions: lines.filter((line) => line.kind === "removed").length,
    lines,
  };
}

function pathOf(head: readonly string[]): string {
  const named = ["+++ ", "rename to ", "--- "]
    .map((prefix) => head.find((row) => row.startsWith(prefix) && !row.includes("/dev/null"))?.slice(prefix.length))
    .find((path) => path !== undefined);
  const path = named ?? / b\/(.*)$/.exec(head[0] ?? "")?.[1] ?? "";
  return unquote(path.replace(/\t$/, "")).replace(/^[ab]\//, "");
}

/** git puts names with special characters in quotes. */
function unquote(path: string): string {
  if (!path.startsWith('"')) return path;
  const bytes: number[] = [];
  for (const found of path.slice(1, -1).matchAll(/\\(\d{3}|.)|([^\\]+)/g)) {
    if (found[2]) bytes.push(...new TextEncoder().encode(found[2]));
    else bytes.push(/\d/.test(found[1] ?? "") ? Number.parseInt(found[1] ?? "", 8) : (found[1] ?? "").charCodeAt(0));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function parseLines(rows: readonly string[]): DiffLine[] {
  let before = 0;
  let after = 0;
  return rows.flatMap((row): DiffLine[] => {
    const hunk = HUNK.exec(row);
    if (hunk) {
      before = Number(hunk[1]);
      after = Number(hunk[2]);
      return [{ kind: "hunk", text: row, before: null, after: null }];
    }
    const text = row.slice(1);
    if (row.startsWith("+")) return [{ kind: "added", text, before: null, after: after++ }];
    if (row.startsWith("-")) return [{ kind: "removed", text, before: before++, after: null }];
    if (row.startsWith("\\")) return [];
    return [{ kind: "same", text, before: before++, after: after++ }];
  });
}

/** What is the same at both ends, and between them first all that goes and then all that comes. */
export function compareTexts(old: string, next: string): DiffLine[] {
  const before = old.split("\n");
  const after = next.split("\n");
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const line = (kind: DiffLine["kind"]) => (text: string) => ({ kind, text, before: null, after: null });
  return [
    ...before.slice(0, head).map(line("same")),
    ...before.slice(head, before.length - tail).map(line("removed")),
    ...after.slice(head, after.length - tail).map(line("added")),
    ...after.slice(after.length - tail).map(line("same")),
  ];
}

/** One row of a diff with both sides beside each other. */
export interface SplitRow {
  readonly hunk: string | null;
  readonly left: DiffLine | null;
  readonly right: DiffLine | null;
}

/** What goes and what comes at the same place stand in the same rows. */
export function splitRows(lines: readonly DiffLine[]): SplitRow[] {
  const rows: SplitRow[] = [];
  let removed: DiffLine[] = [];
  let added: DiffLine[] = [];
  const settle = () => {
    for (let index = 0; index < Math.max(removed.length, added.length); index++)
      rows.push({ hunk: null, left: removed[index] ?? null, right: added[index] ?? null });
    removed = [];
    added = [];
  };
  for (const line of lines) {
    if (line.kind === "removed" && added.length) settle();
    if (line.kind === "removed") removed.push(line);
    else if (line.kind === "added") added.push(line);
    else {
      settle();
      rows.push(
        line.kind === "hunk" ? { hunk: line.text, left: null, right: null } : { hunk: null, left: line, right: line },
      );
    }
  }
  settle();
  return rows;
}
