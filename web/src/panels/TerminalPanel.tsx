import { useMemo } from "react";
import type { SessionState, ToolItem } from "../store/session";
import { EventLink } from "../timeline/EventLink";
import { Output } from "../timeline/ToolCard";

const LAST = 100;

/** The commands that were run, with what they printed. */
export function TerminalPanel({ state }: { state: SessionState }) {
  const commands = useMemo(
    () => state.items.filter((item): item is ToolItem => item.kind === "tool" && item.tool === "run_command"),
    [state.items],
  );
  if (!commands.length) return <p className="panel-empty">No command has been run yet.</p>;
  return (
    <div className="grid gap-3 p-3">
      {commands.length > LAST && (
        <p className="text-xs text-muted">
          The last {LAST} of {commands.length}.
        </p>
      )}
      {commands.slice(-LAST).map((item) => (
        <section key={item.key} className="card overflow-hidden" aria-label={String(item.arguments.command)}>
          <div className="flex items-start gap-2 border-b border-line bg-raised px-3 py-2">
            <code className="min-w-0 grow font-mono text-xs leading-5 break-words whitespace-pre-wrap">
              <span className="text-faint select-none">$ </span>
              {String(item.arguments.command)}
            </code>
            <End item={item} />
            <EventLink seq={item.seq} time={item.time} />
          </div>
          <Output text={item.result ?? state.outputs.get(item.callId)?.text ?? ""} live={item.result === null} />
        </section>
      ))}
    </div>
  );
}

function End({ item }: { item: ToolItem }) {
  const exit = item.details.exit_code;
  if (item.status === "waiting") return <span className="chip bg-warn-soft text-warn">waits</span>;
  if (item.status === "running") return <span className="chip bg-accent-soft text-accent">running</span>;
  if (typeof exit !== "number") return null;
  return <span className={`chip ${exit === 0 ? "bg-good-soft text-good" : "bg-bad-soft text-bad"}`}>exit {exit}</span>;
}
