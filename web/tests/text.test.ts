import { describe, expect, it } from "vitest";
import { digest, readSeen } from "../src/panels/viewed";
import { parseAnsi } from "../src/text/ansi";
import { compareTexts, type FileDiff, parseDiff, splitRows } from "../src/text/diff";
import { highlight } from "../src/text/highlight";

describe("what a command printed", () => {
  it("has its colours, and no control characters", () => {
    expect(parseAnsi("\x1b[1;31mFAIL\x1b[0m ok\x07\x1b[2K \x1b]0;title\x07end")).toEqual([
      { text: "FAIL", style: "ansi-1 ansi-bold" },
      { text: " ok", style: "" },
      { text: " ", style: "" },
      { text: "end", style: "" },
    ]);
  });

  it("is what remains of a line that was written over", () => {
    expect(parseAnsi("10%\r50%\r100%\r\ndone")).toEqual([{ text: "100%\ndone", style: "" }]);
  });

  it("takes of 256 colours the terminal's own, and skips the numbers of others", () => {
    expect(parseAnsi("\x1b[38;5;2mgreen\x1b[38;2;1;1;31mplain")).toEqual([
      { text: "green", style: "ansi-2" },
      { text: "plain", style: "" },
    ]);
  });
});

describe("a diff", () => {
  const diff = [
    "diff --git a/a.py b/a.py",
    "index 1..2 100644",
    "--- a/a.py",
    "+++ b/a.py",
    "@@ -1,2 +1,2 @@ def add",
    " same",
    "--- not a header",
    "+diff --git is only text here",
    "\\ No newline at end of file",
    'diff --git "a/sch\\303\\266n.txt" "b/sch\\303\\266n.txt"',
    "new file mode 100644",
    "--- /dev/null",
    '+++ "b/sch\\303\\266n.txt"',
    "@@ -0,0 +1 @@",
    "+new",
    "diff --git a/i.png b/i.png",
    "deleted file mode 100644",
    "Binary files a/i.png and /dev/null differ",
    "",
  ].join("\n");

  it("is read file by file, with numbered lines", () => {
    const [first, second, third] = parseDiff(diff);
    expect(first).toMatchObject({ path: "a.py", change: "modified", additions: 1, deletions: 1 });
    expect(first?.lines.slice(1)).toEqual([
      { kind: "same", text: "same", before: 1, after: 1 },
      { kind: "removed", text: "-- not a header", before: 2, after: null },
      { kind: "added", text: "diff --git is only text here", before: null, after: 2 },
    ]);
    expect(second).toMatchObject({ path: "schön.txt", change: "added", additions: 1 });
    expect(third).toMatchObject({ path: "i.png", change: "deleted", binary: true });
  });

  it("of two texts keeps what is the same at both ends", () => {
    const kinds = compareTexts("a\nb\nc", "a\nx\ny\nc").map((line) => `${line.kind} ${line.text}`);
    expect(kinds).toEqual(["same a", "removed b", "added x", "added y", "same c"]);
  });
});

describe("code", () => {
  it("keeps every character when it is coloured", () => {
    const code = 'def add(a, b):\n    return f"{a} <b>&amp;"  # why\n';
    const pieces = highlight(code, "python") ?? [];
    expect(pieces.map((piece) => piece.text).join("")).toBe(code);
    expect(pieces.find((piece) => piece.text === "def")?.scope).toBe("hl-keyword");
  });

  it("of an unknown language stays plain", () => {
    expect(highlight("x", "klingon")).toBeNull();
  });
});

describe("a diff with both sides", () => {
  const diff = (text: string) =>
    parseDiff(`diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,4 +1,5 @@\n${text}`)[0]?.lines ?? [];

  it("puts what goes and what comes at the same place into the same rows", () => {
    const rows = splitRows(diff(" a\n-b\n-c\n+B\n d\n+e\n+f\n"));
    expect(rows.map(({ hunk, left, right }) => hunk ?? [left?.text ?? null, right?.text ?? null])).toEqual([
      "@@ -1,4 +1,5 @@",
      ["a", "a"],
      ["b", "B"],
      ["c", null],
      ["d", "d"],
      [null, "e"],
      [null, "f"],
    ]);
    expect([rows[2]?.left?.before, rows[2]?.right?.after]).toEqual([2, 2]);
  });
});

describe("what was viewed", () => {
  it("is not what it was when the change is another", () => {
    const file = (text: string) =>
      parseDiff(`diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n${text}`)[0] as FileDiff;
    expect(digest(file("-a\n+b\n"))).toBe(digest(file("-a\n+b\n")));
    expect(digest(file("-a\n+b\n"))).not.toBe(digest(file("-a\n+c\n")));
    expect(digest(file("-a\n+b\n"))).not.toBe(digest(file("+a\n-b\n")));
  });

  it("is nothing where what was kept cannot be read", () => {
    expect([readSeen(null), readSeen("{"), readSeen("null")]).toEqual([{}, {}, {}]);
  });
});
