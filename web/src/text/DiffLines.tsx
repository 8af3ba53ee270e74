import { memo } from "react";
import type { DiffLine } from "./diff";
import { Scroller } from "./Scroller";

const SIGNS = { same: " ", added: "+", removed: "−", hunk: "" } as const;

/** The lines of a diff, one under the other. */
export const DiffLines = memo(function DiffLines({ lines, label }: { lines: readonly DiffLine[]; label: string }) {
  const numbered = lines.some((line) => line.before !== null || line.after !== null);
  return (
    <Scroller className="font-mono text-xs leading-5" label={label}>
      <div className="min-w-fit py-1">
        {lines.map((line, index) => (
          <div key={index} className={`diff-line diff-${line.kind}`}>
            {numbered && line.kind !== "hunk" && (
              <span className="diff-number" aria-hidden="true">
                {line.after ?? line.before}
              </span>
            )}
            <span className="diff-sign">{SIGNS[line.kind]}</span>
            <span className="whitespace-pre">{line.text || " "}</span>
          </div>
        ))}
      </div>
    </Scroller>
  );
});
