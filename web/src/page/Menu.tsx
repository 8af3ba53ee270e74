import type { LucideIcon } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from "react";
import { placeAfter } from "./arrows";

export interface MenuItem {
  word: string;
  icon: LucideIcon;
  onChoose: () => void;
  danger?: boolean;
  /** Why it may not be chosen now. */
  why?: string | null;
}

interface Props {
  label: string;
  /** Asked each time it opens. */
  items: () => MenuItem[];
  className?: string;
  children: ReactNode;
}

const GAP_PX = 4;
const KEYS = { next: "ArrowDown", last: "ArrowUp" };

/** A button that opens a list of what can be done. The browser lays it over all else; nothing can cut it off. */
export function Menu({ label, items, className = "button button-quiet button-icon", children }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<MenuItem[]>([]);
  const place = () => {
    if (!button.current || !list.current) return;
    const { top, bottom, right } = button.current.getBoundingClientRect();
    const isLow = bottom > innerHeight * 0.6;
    Object.assign(list.current.style, {
      right: `${Math.max(GAP_PX, document.documentElement.clientWidth - right)}px`,
      top: isLow ? "auto" : `${bottom + GAP_PX}px`,
      bottom: isLow ? `${innerHeight - top + GAP_PX}px` : "auto",
    });
  };
  const entries = () => [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Tab") list.current?.hidePopover();
    const found = entries();
    const next = placeAfter(event.key, found.indexOf(document.activeElement as HTMLElement), found.length, KEYS);
    if (next === null) return;
    event.preventDefault();
    found[next]?.focus();
  };
  const choose = (item: MenuItem) => {
    if (item.why) return;
    list.current?.hidePopover();
    button.current?.focus();
    item.onChoose();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        popoverTarget={id}
        onClick={() => setShown(items())}
      >
        {children}
      </button>
      <div
        ref={list}
        id={id}
        role="menu"
        aria-label={label}
        popover="auto"
        className="menu"
        tabIndex={-1}
        onBeforeToggle={(event) => event.newState === "open" && place()}
        onToggle={(event) => event.newState === "open" && entries()[0]?.focus()}
        onKeyDown={onKeyDown}
      >
        {shown.map((item) => {
          const { word, icon: Icon, danger, why } = item;
          return (
            <button
              key={word}
              type="button"
              role="menuitem"
              tabIndex={-1}
              aria-disabled={Boolean(why)}
              className={`flex min-h-9 w-full items-start gap-2 rounded-lg px-2.5 py-1.5 text-left text-sm hover:bg-raised
                max-md:min-h-11 ${danger ? "text-bad" : ""} ${why ? "cursor-not-allowed" : ""}`}
              onClick={() => choose(item)}
            >
              <Icon size={15} className="mt-0.5 shrink-0" aria-hidden />
              <span>
                <span className={why ? "text-faint" : ""}>{word}</span>
                {why && <span className="block text-xs text-muted">{why}</span>}
              </span>
            </button>
          );
        })}
      </div>
    </>
  );
}
