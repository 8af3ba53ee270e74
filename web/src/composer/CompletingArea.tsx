import { type KeyboardEvent, useId, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { placeAfter } from "../page/arrows";
import type { SessionState } from "../store/session";
import { type Completion, completionsOf } from "./completion";
import { TextArea } from "./TextArea";

interface Props {
  label: string;
  placeholder: string;
  value: string;
  onValue: (value: string) => void;
  onSend: () => void;
  /** Where its commands and files are from. */
  state: SessionState;
}

const ARROWS = { next: "ArrowDown", last: "ArrowUp" };

/** A text that offers commands after a `/` at its beginning, and files after an `@`. */
export function CompletingArea({ state, value, onValue, ...others }: Props) {
  const id = useId();
  const form = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState(0);
  const [at, setAt] = useState(0);
  /** The text for which the list was closed. */
  const [closedFor, setClosedFor] = useState<string | null>(null);
  const offered = closedFor === value ? [] : completionsOf(state, value, cursor);
  const chosen = offered[at] ?? offered[0];
  const take = (completion: Completion) => {
    flushSync(() => {
      onValue(completion.text);
      setCursor(completion.cursor);
      setAt(0);
    });
    const area = form.current?.querySelector("textarea");
    area?.focus();
    area?.setSelectionRange(completion.cursor, completion.cursor);
  };
  /** Keys that are the list's while it is open. */
  const onKeyDown = (event: KeyboardEvent) => {
    if (!chosen || event.nativeEvent.isComposing) return;
    if (event.key === "Escape") setClosedFor(value);
    else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) take(chosen);
    else if (event.key === ARROWS.next || event.key === ARROWS.last)
      setAt(placeAfter(event.key, at, offered.length, ARROWS) ?? 0);
    else return;
    event.preventDefault();
  };
  return (
    <div ref={form} onKeyDownCapture={onKeyDown}>
      {chosen && (
        <div id={id} role="listbox" aria-label="Completions" tabIndex={-1} className="scroller mb-2 max-h-56">
          {offered.map((completion) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the text's.
            <div
              key={completion.word}
              id={`${id}-${completion.word}`}
              role="option"
              tabIndex={-1}
              aria-selected={completion === chosen}
              className={`flex min-h-8 cursor-pointer items-baseline gap-3 rounded-lg px-2 py-1 text-sm max-md:min-h-11 ${completion === chosen ? "bg-accent-soft" : ""}`}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => take(completion)}
            >
              <span className="font-mono text-xs">{completion.word}</span>
              <span className="min-w-0 truncate text-xs text-muted">{completion.about}</span>
            </div>
          ))}
        </div>
      )}
      <TextArea
        {...others}
        value={value}
        onValue={onValue}
        onCursor={setCursor}
        list={chosen ? { id, chosenId: `${id}-${chosen.word}` } : null}
      />
    </div>
  );
}
