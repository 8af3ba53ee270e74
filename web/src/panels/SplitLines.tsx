import { memo } from "react";
import { type DiffLine, type SplitRow, splitRows } from "../text/diff";

/** A diff with what was on the left and what is on the right. */
export const SplitLines = memo(function SplitLines({ lines, label }: { lines: readonly DiffLine[]; label: string }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
    <div role="group" aria-label={label} className="py-1 font-mono text-xs leading-5">
      {splitRows(lines).map((row, index) => (
        <Row key={index} row={row} />
      ))}
    </div>
  );
});

function Row({ row: { hunk, left, right } }: { row: SplitRow }) {
  if (hunk !== null) return <div className="diff-hunk truncate">{hunk}</div>;
  return (
    <div className="grid grid-cols-2">
      <Side line={left} number={left?.before ?? null} sign="−" />
      <Side line={right} number={right?.after ?? null} sign="+" />
    </div>
  );
}

function Side({ line, number, sign }: { line: DiffLine | null; number: number | null; sign: string }) {
  if (!line) return <div className="border-l border-line bg-raised" />;
  return (
    <div className={`diff-line min-w-0 border-l border-line diff-${line.kind}`}>
      <span className="diff-number" aria-hidden="true">
        {number}
      </span>
      <span className="diff-sign">{line.kind === "same" ? " " : sign}</span>
      <span className="min-w-0 break-all whitespace-pre-wrap">{line.text || " "}</span>
    </div>
  );
}
