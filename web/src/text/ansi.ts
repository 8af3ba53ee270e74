/** What a terminal would show: colours, and lines that are written over. */

export interface Span {
  readonly text: string;
  /** Class names; the colours themselves are in `styles.css`. */
  readonly style: string;
}

const SEQUENCE = /\x1b\[([0-9;:]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]/g;
const CONTROLS = /[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/g;

interface Style {
  color: string;
  back: string;
  marks: Set<string>;
}

export function parseAnsi(text: string): Span[] {
  const spans: Span[] = [];
  const style: Style = { color: "", back: "", marks: new Set() };
  const add = (piece: string) => {
    const shown = piece.replace(CONTROLS, "");
    if (shown) spans.push({ text: shown, style: [style.color, style.back, ...style.marks].filter(Boolean).join(" ") });
  };
  const written = overwrite(text);
  let at = 0;
  for (const found of written.matchAll(SEQUENCE)) {
    add(written.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] === "m") restyle(style, found[1] ?? "");
  }
  add(written.slice(at));
  return spans;
}

/** A carriage return goes back to the line's beginning, as progress bars do. */
function overwrite(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => line.slice(line.replace(/\r+$/, "").lastIndexOf("\r") + 1))
    .join("\n");
}

const MARKS: Readonly<Record<number, string>> = {
  1: "ansi-bold",
  2: "ansi-dim",
  3: "ansi-italic",
  4: "ansi-underline",
};

function restyle(style: Style, parameters: string): void {
  const codes = parameters.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) Object.assign(style, { color: "", back: "", marks: new Set() });
    else if (MARKS[code]) style.marks.add(MARKS[code]);
    else if (code === 22) for (const mark of ["ansi-bold", "ansi-dim"]) style.marks.delete(mark);
    else if (code === 23) style.marks.delete("ansi-italic");
    else if (code === 24) style.marks.delete("ansi-underline");
    else if (code >= 30 && code <= 37) style.color = `ansi-${code - 30}`;
    else if (code >= 90 && code <= 97) style.color = `ansi-${code - 82}`;
    else if (code === 39) style.color = "";
    else if (code >= 40 && code <= 47) style.back = `ansi-back-${code - 40}`;
    else if (code === 49) style.back = "";
    else if (code === 38 || code === 48) {
      // Of 256 colours the first 16 are the terminal's own; others keep the text's colour.
      const color = codes[at + 1] === 5 ? (codes[at + 2] ?? 16) : 16;
      if (code === 38) style.color = color < 16 ? `ansi-${color}` : "";
      at += codes[at + 1] === 5 ? 2 : 4;
    }
  }
}
