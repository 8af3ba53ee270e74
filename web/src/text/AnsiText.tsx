import { memo } from "react";
import { parseAnsi } from "./ansi";

/** What a command printed. */
export const AnsiText = memo(function AnsiText({ text }: { text: string }) {
  return parseAnsi(text).map((span, index) =>
    span.style ? (
      <span key={index} className={span.style}>
        {span.text}
      </span>
    ) : (
      span.text
    ),
  );
});
