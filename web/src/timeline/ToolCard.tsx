import { ChevronRight, CircleCheck, CircleX, Hourglass, LoaderCircle } from "lucide-react";
import { useState } from "react";
import { readBlob } from "../http";
import { CopyButton } from "../page/CopyButton";
import { useDialogs } from "../page/dialogs";
import { duration } from "../page/format";
import { useAction, useNow } from "../page/hooks";
import type { ToolItem } from "../store/session";
import { AnsiText } from "../text/AnsiText";
import { DiffLines } from "../text/DiffLines";
import { compareTexts, parseDiff } from "../text/diff";
import { Scroller } from "../text/Scroller";
import { EventLink } from "./EventLink";
import { useFold } from "./folds";
import { lookOf, mainArgument } from "./tools";

const SHORT_LINES = 40;

/** One call of a tool: a line, and under it what went in and what came out. */
export function ToolCard({ item, output }: { item: ToolItem; output: string | null }) {
  const running = item.status === "running" || item.status === "waiting";
  const [open, toggle] = useFold(item.key, item.status === "failed" || isEdit(item) || item.tool === "run_command");
  const look = lookOf(item.tool);
  const Icon = look.icon;
  return (
    <div className="card overflow-hidden">
      <div className="flex min-h-9 items-center gap-2 pr-3 text-sm">
        <button
          type="button"
          onClick={toggle}
          aria-expanded={open}
          className="flex min-h-9 min-w-0 grow items-center gap-2 pl-3 text-left"
        >
          <Icon size={15} className="shrink-0 text-muted" aria-hidden />
          <span className="shrink-0 font-medium">{look.word}</span>
          <span className="truncate font-mono text-xs text-muted">{mainArgument(item.tool, item.arguments)}</span>
          <ChevronRight size={14} className={`shrink-0 text-faint ${open ? "rotate-90" : ""}`} aria-hidden />
        </button>
        <Outcome item={item} />
        <EventLink seq={item.seq} time={item.time} className="max-sm:hidden" />
      </div>
      {open && (
        <div className="border-t border-line">
          <Arguments item={item} />
          {running && output !== null && <Output text={output} live />}
          {item.result !== null && !isEdit(item) && <Result item={item} />}
          {item.result !== null && isEdit(item) && item.status === "failed" && <Result item={item} />}
        </div>
      )}
    </div>
  );
}

function Decision({ decision, by, edited, withdrawn }: NonNullable<ToolItem["decision"]>) {
  const open = useDialogs();
  if (decision === "approve_for_session" && !withdrawn)
    return (
      <button
        type="button"
        className="underline underline-offset-2 hover:text-ink"
        title={`By ${by}. Look at it, or withdraw it`}
        onClick={() => open({ kind: "people" })}
      >
        approved for the session <span className="max-sm:hidden">by {by}</span>
      </button>
    );
  const word = decision === "deny" ? "denied" : edited ? "approved, edited" : "approved";
  return (
    <span title={`By ${by}`}>
      {withdrawn ? "approved, withdrawn" : word} <span className="max-sm:hidden">by {by}</span>
    </span>
  );
}

const isEdit = (item: ToolItem) => ["edit_file", "write_file", "apply_patch"].includes(item.tool);

function Outcome({ item }: { item: ToolItem }) {
  const now = useNow(item.status === "running");
  const took = item.durationMs !== null ? duration(item.durationMs) : null;
  const exit = item.details.exit_code;
  const bad = item.status === "failed" || (typeof exit === "number" && exit !== 0);
  return (
    <span className="flex shrink-0 items-center gap-2 text-xs text-muted tabular-nums">
      {item.decision && <Decision {...item.decision} />}
      {item.changes.map((change) => (
        <span key={change.path}>
          <span className="text-good">+{change.additions ?? 0}</span>{" "}
          <span className="text-bad">−{change.deletions ?? 0}</span>
        </span>
      ))}
      {typeof exit === "number" && exit !== 0 && <span className="text-bad">exit {exit}</span>}
      {item.status === "running" && item.startedAt && (
        <span>{duration(Math.max(0, now - Date.parse(item.startedAt)))}</span>
      )}
      {item.status === "interrupted" && <span>interrupted</span>}
      {took}
      {item.status === "waiting" ? (
        <Hourglass size={15} className="text-warn" aria-label="Waits for approval" />
      ) : item.status === "running" || item.status === "requested" ? (
        <LoaderCircle size={15} className="spin text-accent" aria-label="Running" />
      ) : bad ? (
        <CircleX size={15} className="text-bad" aria-label="Failed" />
      ) : item.status === "done" ? (
        <CircleCheck size={15} className="text-good" aria-label="Done" />
      ) : null}
    </span>
  );
}

function Arguments({ item }: { item: ToolItem }) {
  const { tool, arguments: given } = item;
  if (tool === "edit_file" && typeof given.old === "string" && typeof given.new === "string")
    return <DiffLines lines={compareTexts(given.old, given.new)} label={`Edit of ${String(given.path)}`} />;
  if (tool === "write_file" && typeof given.content === "string")
    return (
      <Folded text={given.content} label={`Content of ${String(given.path)}`}>
        {(text) => <DiffLines lines={compareTexts("", text).slice(1)} label={`Content of ${String(given.path)}`} />}
      </Folded>
    );
  if (tool === "apply_patch" && typeof given.patch === "string")
    return (
      <Folded text={given.patch} label="Patch">
        {(text) => <Patch text={text} />}
      </Folded>
    );
  if (tool === "run_command" && typeof given.command === "string")
    return (
      <pre className="bg-raised px-3 py-2 font-mono text-xs leading-5 break-words whitespace-pre-wrap">
        <span className="text-faint select-none">$ </span>
        {given.command}
      </pre>
    );
  const rest = Object.entries(given);
  if (!rest.length) return null;
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-3 px-3 py-2 text-xs">
      {rest.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-faint">{name}</dt>
          <dd className="min-w-0 font-mono break-words whitespace-pre-wrap">
            {typeof value === "string" ? value : JSON.stringify(value)}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Patch({ text }: { text: string }) {
  const files = parseDiff(text);
  if (!files.length) return <Output text={text} />;
  return files.map((file) => <DiffLines key={file.path} lines={file.lines} label={file.path} />);
}

/** What came out: its end at first, all of it when asked, also what was too large for the event. */
function Result({ item }: { item: ToolItem }) {
  const [whole, setWhole] = useState<string | null>(null);
  const kept = item.details.output as { id?: string; bytes?: number } | undefined;
  const blobId = kept?.id ?? item.blob?.id;
  const load = useAction(async () => {
    const content = await readBlob(String(blobId));
    setWhole(textOf(content));
  });
  const text = whole ?? item.result ?? "";
  return (
    <>
      <Folded text={text} label="Output">
        {(shown) => <Output text={shown} bad={item.status === "failed"} />}
      </Folded>
      {blobId && whole === null && (
        <button type="button" className="button button-quiet" disabled={load.busy} onClick={() => void load.run()}>
          Load the whole output
        </button>
      )}
      {load.error && <p className="px-3 pb-2 text-sm text-bad">{load.error}</p>}
    </>
  );
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  const fields = (content ?? {}) as Record<string, unknown>;
  return String(fields.result ?? fields.message ?? fields.content ?? fields.text ?? JSON.stringify(content, null, 2));
}

interface FoldedProps {
  text: string;
  label: string;
  children: (text: string) => React.ReactNode;
}

function Folded({ text, label, children }: FoldedProps) {
  const [all, setAll] = useState(false);
  const lines = text.replace(/\n$/, "").split("\n");
  const short = all || lines.length <= SHORT_LINES;
  return (
    <>
      {children(short ? lines.join("\n") : lines.slice(-SHORT_LINES).join("\n"))}
      {!short && (
        <button
          type="button"
          className="button button-quiet"
          aria-label={`${label}: show all`}
          onClick={() => setAll(true)}
        >
          Show all {lines.length} lines
        </button>
      )}
    </>
  );
}

export function Output({ text, live = false, bad = false }: { text: string; live?: boolean; bad?: boolean }) {
  const shown = live ? text.slice(-20_000) : text;
  if (!shown.trim()) return null;
  return (
    <div className="group relative">
      <Scroller label="Output" className="max-h-80">
        <pre
          className={`px-3 py-2 font-mono text-xs leading-5 wrap-anywhere whitespace-pre-wrap ${bad ? "text-bad" : ""}`}
        >
          <AnsiText text={shown} />
        </pre>
      </Scroller>
      <CopyButton text={text} label="Copy the output" />
    </div>
  );
}
