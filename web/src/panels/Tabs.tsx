import type { LucideIcon } from "lucide-react";
import type { KeyboardEvent, ReactNode } from "react";
import { placeAfter } from "../page/arrows";

export interface TabWords<T extends string> {
  id: T;
  title: string;
  icon: LucideIcon;
  count: number;
}

interface Props<T extends string> {
  label: string;
  tabs: readonly TabWords<T>[];
  chosen: T;
  onChoose: (id: T) => void;
  /** At the bottom of one column. */
  phone: boolean;
}

const KEYS = { next: "ArrowRight", last: "ArrowLeft" };

/** One of several views; the arrow keys go from one to the next. */
export function TabList<T extends string>({ label, tabs, chosen, onChoose, phone }: Props<T>) {
  const move = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = tabs.findIndex((tab) => tab.id === chosen);
    const tab = tabs[placeAfter(event.key, at, tabs.length, KEYS) ?? -1];
    if (!tab) return;
    event.preventDefault();
    onChoose(tab.id);
    event.currentTarget.querySelector<HTMLElement>(`[data-tab=${tab.id}]`)?.focus();
  };
  const look = phone
    ? "min-h-14 grow basis-0 flex-col gap-0.5 text-xs aria-selected:text-accent"
    : "min-h-9 gap-1.5 rounded-t-lg border-b-2 border-transparent px-2 text-sm hover:text-ink aria-selected:border-accent aria-selected:font-medium aria-selected:text-ink";
  return (
    <div
      role="tablist"
      aria-label={label}
      onKeyDown={move}
      className={
        phone
          ? "flex shrink-0 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)]"
          : "flex shrink-0 gap-0.5 overflow-x-auto border-b border-line px-2 pt-2"
      }
    >
      {tabs.map(({ id, title, icon: Icon, count }) => (
        <button
          key={id}
          type="button"
          role="tab"
          id={`tab-${id}`}
          data-tab={id}
          aria-selected={id === chosen}
          aria-controls={id === chosen ? `panel-${id}` : undefined}
          tabIndex={id === chosen ? 0 : -1}
          onClick={() => onChoose(id)}
          className={`flex items-center justify-center whitespace-nowrap text-muted ${look}`}
        >
          <Icon size={phone ? 19 : 15} className={phone ? "" : "hidden @md:block"} aria-hidden />
          <span>
            {title}
            {count > 0 && <span className="ml-1 rounded-full bg-raised px-1.5 text-xs tabular-nums">{count}</span>}
          </span>
        </button>
      ))}
    </div>
  );
}

export function TabPanel({ id, label, children }: { id: string; label: string; children: ReactNode }) {
  return (
    <div
      role="tabpanel"
      id={`panel-${id}`}
      aria-label={label}
      tabIndex={0}
      className="scroller flex min-h-0 grow flex-col"
    >
      {children}
    </div>
  );
}
