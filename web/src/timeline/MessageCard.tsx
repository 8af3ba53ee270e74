import { Brain, ChevronRight } from "lucide-react";
import { plural } from "../page/format";
import type { MessageItem, TaskItem } from "../store/session";
import { Markdown } from "../text/Markdown";
import { EventLink } from "./EventLink";
import { useFold } from "./folds";

/** What was asked for. */
export function TaskCard({ item }: { item: TaskItem }) {
  const { request } = item;
  const marks = [
    request.research_only && "Research only",
    request.plan_only && "Plan only",
    request.settings?.plan_gate && "Plan first",
    request.settings?.model,
  ].filter(Boolean);
  return (
    <div className="mt-2 mb-1 ml-auto w-fit max-w-[90%] rounded-2xl rounded-br-md bg-accent-soft px-4 py-2.5">
      <p className="break-words whitespace-pre-wrap">{request.content}</p>
      <p className="mt-0.5 flex items-center gap-2 text-xs text-muted">
        <EventLink seq={item.seq} time={item.time} />
        {marks.join(" · ")}
      </p>
    </div>
  );
}

export function MessageCard({ item }: { item: MessageItem }) {
  if (item.actor.kind === "user")
    return (
      <div className="ml-auto w-fit max-w-[90%] rounded-2xl rounded-br-md border border-line bg-surface px-4 py-2.5">
        <p className="break-words whitespace-pre-wrap">{item.text}</p>
        <p className="flex items-center gap-2">
          <EventLink seq={item.seq} time={item.time} />
        </p>
      </div>
    );
  return (
    <div className="py-1">
      <div className="float-right ml-2 flex items-center gap-2">
        <EventLink seq={item.seq} time={item.time} className="max-sm:hidden" />
      </div>
      <Markdown text={item.text} />
      {item.blob && <p className="text-xs text-faint">Shortened: the whole has {item.blob.bytes} bytes.</p>}
    </div>
  );
}

/** What a model thinks is folded: it is for those who wonder. */
export function ReasoningCard({ itemKey, text, live }: { itemKey: string; text: string; live: boolean }) {
  const [open, toggle] = useFold(itemKey, false);
  return (
    <div className="text-sm text-muted">
      <button
        type="button"
        onClick={toggle}
        aria-expanded={open}
        className="flex min-h-7 items-center gap-1.5 hover:text-ink"
      >
        <ChevronRight size={14} className={open ? "rotate-90" : ""} aria-hidden />
        <Brain size={14} className={live ? "pulse" : ""} aria-hidden />
        {live ? "Thinking …" : `Thought, ${plural(text.trim().split(/\s+/).length, "word")}`}
      </button>
      {open && (
        <div className="mt-1 ml-2 border-l-2 border-line pl-4">
          <Markdown text={text} />
        </div>
      )}
    </div>
  );
}
