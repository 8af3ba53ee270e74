import { Search } from "lucide-react";
import { type KeyboardEvent, useId, useLayoutEffect, useRef, useState } from "react";
import { placeAfter } from "../page/arrows";
import { useModal } from "../page/Dialog";
import type { Action } from "./actions";
import { keyWords } from "./keys";
import { matching } from "./match";

interface Props {
  actions: readonly Action[];
  onChoose: (action: Action) => void;
  onClose: () => void;
}

const ARROWS = { next: "ArrowDown", last: "ArrowUp" };
/** More are found by typing more. */
const MOST = 60;

/** All that can be done, found by typing; the arrow keys choose, Enter does it. */
export function Palette({ actions, onChoose, onClose }: Props) {
  const modal = useModal(onClose);
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const found = matching(actions, typed)
    .filter((action) => action.id !== "palette")
    .sort((one, other) => Number(Boolean(one.why)) - Number(Boolean(other.why)))
    .slice(0, MOST);
  const chosen = found[at];
  // biome-ignore lint/correctness/useExhaustiveDependencies: each time another is chosen.
  useLayoutEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [at, typed]);
  const choose = (action: Action | undefined) => action && !action.why && onChoose(action);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const isArrow = event.key === ARROWS.next || event.key === ARROWS.last;
    const next = isArrow ? placeAfter(event.key, at, Math.max(1, found.length), ARROWS) : null;
    if (next === null && event.key !== "Enter") return;
    event.preventDefault();
    if (next === null) choose(chosen);
    else setAt(next);
  };
  return (
    <dialog {...modal} aria-label="All that can be done" className="dialog mt-[12dvh] overflow-hidden">
      <div className="flex items-center gap-2 border-b border-line px-4">
        <Search size={17} className="shrink-0 text-muted" aria-hidden />
        <input
          role="combobox"
          aria-label="What do you want to do?"
          aria-expanded="true"
          aria-controls={id}
          aria-activedescendant={chosen && `${id}-${chosen.id}`}
          aria-autocomplete="list"
          className="min-h-12 w-full bg-transparent outline-none placeholder:text-faint"
          placeholder="Go to a session, or do something …"
          value={typed}
          autoFocus
          onChange={(event) => {
            setTyped(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <div
        ref={list}
        id={id}
        role="listbox"
        aria-label="What was found"
        tabIndex={-1}
        className="scroller max-h-[50dvh] p-1.5"
      >
        {found.map((action, place) => (
          <Entry
            key={action.id}
            id={`${id}-${action.id}`}
            action={action}
            chosen={place === at}
            onPoint={() => setAt(place)}
            onChoose={() => choose(action)}
          />
        ))}
      </div>
      <p className={found.length ? "sr-only" : "px-4 pb-4 text-sm text-muted"} role="status">
        {found.length ? `${found.length} found` : "Nothing is called like this."}
      </p>
    </dialog>
  );
}

interface EntryProps {
  id: string;
  action: Action;
  chosen: boolean;
  onPoint: () => void;
  onChoose: () => void;
}

function Entry({ id, action, chosen, onPoint, onChoose }: EntryProps) {
  const { word, about, why, keys, group } = action;
  const detail = why ?? (group === "Sessions" ? about : null);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's.
    <div
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={chosen}
      aria-disabled={Boolean(why)}
      className={`flex min-h-9 cursor-pointer items-center gap-3 rounded-lg px-2.5 py-1 text-sm max-md:min-h-11 ${chosen ? "bg-accent-soft" : ""}`}
      onPointerMove={onPoint}
      onClick={onChoose}
    >
      <span className="min-w-0 grow">
        <span className="line-clamp-1">{word}</span>
        {detail && <span className="block truncate text-xs text-muted">{detail}</span>}
      </span>
      <span className="shrink-0 text-xs text-muted">{group === "Sessions" ? "Session" : ""}</span>
      {keys && <kbd className="key">{keyWords(keys)}</kbd>}
    </div>
  );
}
