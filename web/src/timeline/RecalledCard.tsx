import { Brain, ChevronRight } from "lucide-react";
import { plural } from "../page/format";
import type { Event } from "../protocol";
import { EventLink } from "./EventLink";
import { useFold } from "./folds";

interface Props {
  event: Extract<Event, { type: "memory_recalled" }>;
  onOpen: () => void;
}

/** What a phase was given of the memory, and why. */
export function RecalledCard({ event, onOpen }: Props) {
  const [open, toggle] = useFold(`event:${event.seq}`, false);
  const { entries } = event.data;
  return (
    <div className="text-sm text-muted">
      <div className="flex items-center gap-2">
        <button
          type="button"
          onClick={toggle}
          aria-expanded={open}
          className="flex min-h-7 grow items-center gap-1.5 text-left hover:text-ink"
        >
          <ChevronRight size={14} className={open ? "rotate-90" : ""} aria-hidden />
          <Brain size={14} aria-hidden />
          Recalled {plural(entries.length, "entry", "entries")} of memory.
        </button>
        <EventLink seq={event.seq} time={event.time} />
      </div>
      {open && (
        <div className="mt-1 ml-2 border-l-2 border-line pl-4">
          <ul className="grid gap-2">
            {entries.map((entry) => (
              <li key={entry.memory_id}>
                <span className="line-clamp-3 break-words text-ink">{entry.content}</span>
                <span className={`text-xs ${entry.stale ? "text-warn" : ""}`}>
                  {entry.stale ? `Stale: ${entry.file_now ?? "the file says otherwise now."} ` : ""}
                  {entry.reason}
                </span>
              </li>
            ))}
          </ul>
          <button type="button" className="mt-1 min-h-7 font-medium text-accent hover:underline" onClick={onOpen}>
            Open the memory
          </button>
        </div>
      )}
    </div>
  );
}
