import { ChevronDown, ChevronUp, X } from "lucide-react";
import type { KeyboardEvent } from "react";
import { useAction } from "../page/hooks";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { chooseKinds, KINDS, shownKinds, toggled } from "./kinds";

interface Props {
  state: SessionState;
  typed: string;
  onTyped: (typed: string) => void;
  found: readonly string[];
  /** The row that is looked at. */
  current: string | null;
  onStep: (step: 1 | -1) => void;
  onClose: () => void;
}

/** Text to look for, and what rows are about. It stays for as long as it narrows what is shown. */
export function FindBar({ state, typed, onTyped, found, current, onStep, onClose }: Props) {
  const client = useClient();
  const kinds = useStore(shownKinds);
  const older = useAction(() => client.loadOlder(state.sessionId, 1));
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Escape") return onClose();
    onStep(event.shiftKey ? 1 : -1);
  };
  const place = current === null ? -1 : found.indexOf(current);
  return (
    <search className="block border-b border-line bg-surface">
      <div className="mx-auto flex max-w-3xl flex-wrap items-center gap-x-1 gap-y-1 px-3 py-1.5 md:px-5">
        <input
          id="find"
          type="search"
          className="field min-w-40 grow basis-40 py-1.5"
          aria-label="Find in the timeline"
          placeholder="Find in the timeline …"
          value={typed}
          onChange={(event) => onTyped(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <span role="status" className="min-w-16 text-center text-xs whitespace-nowrap text-muted tabular-nums">
          {typed.trim() && (found.length ? `${place + 1} of ${found.length}` : "Not found")}
        </span>
        <Step word="Earlier" icon={ChevronUp} onClick={() => onStep(-1)} off={!found.length} />
        <Step word="Later" icon={ChevronDown} onClick={() => onStep(1)} off={!found.length} />
        <fieldset className="order-last flex w-full flex-wrap items-center gap-1 md:w-auto">
          <legend className="sr-only">Show only</legend>
          {KINDS.map(({ kind, word }) => (
            <button
              key={kind}
              type="button"
              aria-pressed={kinds.includes(kind)}
              className={`chip min-h-7 border max-md:min-h-11 max-md:px-3 ${kinds.includes(kind) ? "border-accent bg-accent-soft text-accent" : "border-line text-muted hover:text-ink"}`}
              onClick={() => chooseKinds(toggled(kinds, kind))}
            >
              {word}
            </button>
          ))}
          {state.firstSeq > 1 && (
            <button
              type="button"
              className="chip min-h-7 text-accent underline max-md:min-h-11"
              disabled={older.busy}
              onClick={() => void older.run()}
            >
              {older.busy ? "Loading …" : `Also the ${state.firstSeq - 1} events before`}
            </button>
          )}
          {older.error && <span className="text-xs text-bad">{older.error}</span>}
        </fieldset>
        <Step word="Show all and close the search" icon={X} onClick={onClose} off={false} />
      </div>
    </search>
  );
}

interface StepProps {
  word: string;
  icon: typeof X;
  onClick: () => void;
  off: boolean;
}

function Step({ word, icon: Icon, onClick, off }: StepProps) {
  return (
    <button
      type="button"
      className="button button-quiet button-icon"
      aria-label={word}
      title={word}
      disabled={off}
      onClick={onClick}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
}
