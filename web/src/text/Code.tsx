/** A block of code. Its colours come when the highlighter is loaded; until then it is plain. */
import { memo, useEffect, useState } from "react";
import { CopyButton } from "../page/CopyButton";
import type { Painted } from "./highlight";
import { Scroller } from "./Scroller";

type Highlighter = typeof import("./highlight");
let loaded: Highlighter | null = null;

function useHighlighter(wanted: boolean): Highlighter | null {
  const [highlighter, setHighlighter] = useState(loaded);
  useEffect(() => {
    if (!wanted || highlighter) return;
    let gone = false;
    void import("./highlight").then((module) => {
      loaded = module;
      if (!gone) setHighlighter(module);
    });
    return () => {
      gone = true;
    };
  }, [wanted, highlighter]);
  return highlighter;
}

export const Code = memo(function Code({ text, language }: { text: string; language: string }) {
  const highlighter = useHighlighter(language !== "");
  const painted: Painted[] = highlighter?.highlight(text, language) ?? [{ text, scope: "" }];
  return (
    <div className="group relative">
      <Scroller label={language ? `Code, ${language}` : "Code"}>
        <pre>
          <code>
            {painted.map((piece, index) => (
              <span key={index} className={piece.scope}>
                {piece.text}
              </span>
            ))}
          </code>
        </pre>
      </Scroller>
      <CopyButton text={text} label="Copy the code" />
    </div>
  );
});
