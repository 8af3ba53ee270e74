import { Wrench } from "lucide-react";
import { currentTask, type LiveText, type SessionState } from "../store/session";
import { Markdown } from "../text/Markdown";
import { ReasoningCard } from "./MessageCard";
import { isHandedOver } from "./rows";
import { lookOf } from "./tools";

/** What is being said right now, under all that is in the log. */
export function LiveTail({ state }: { state: SessionState }) {
  const isWorking = currentTask(state)?.status === "running" && !state.asks.length;
  return (
    <>
      {[...state.live].map(([key, text]) => (
        <div key={key} className="py-2" data-live={text.kind}>
          <Live itemKey={key} text={text} />
        </div>
      ))}
      {isWorking && !state.live.size && !state.openCalls.size && (
        <p className="flex items-center gap-2 py-2 text-sm text-faint">
          <span className="pulse size-2 rounded-full bg-accent" aria-hidden="true" /> Working …
        </p>
      )}
    </>
  );
}

function Live({ itemKey, text }: { itemKey: string; text: LiveText }) {
  switch (text.kind) {
    case "reasoning":
      return <ReasoningCard itemKey={itemKey} text={text.text} live />;
    case "arguments":
      return (
        <p className="flex items-center gap-2 text-sm text-faint">
          <Wrench size={14} className="pulse" aria-hidden />
          {isHandedOver(text.tool ?? "") ? "Writes down the result" : lookOf(text.tool ?? "").word}{" "}
          <span className="min-w-0 truncate font-mono text-xs">{text.text.slice(-120)}</span>
        </p>
      );
    case "message":
      return <Markdown text={text.text} />;
    case "output": // Shown by the card of its call.
      return null;
    default: {
      const unknown: never = text.kind;
      return unknown;
    }
  }
}
