import { History as Clock, Pencil, RotateCcw, Trash2, TriangleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import { refusalOf } from "../access";
import { plural } from "../page/format";
import { useAction } from "../page/hooks";
import type { MemoryEntry } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { ChangeEntry } from "./EntryForm";
import { History } from "./History";
import { OriginLine } from "./OriginLine";
import { KINDS, placeWords, SOURCES } from "./words";

interface Props {
  entry: MemoryEntry;
  state: SessionState;
  /** Why it is probably not true or of no use any more. */
  stale?: string | undefined;
  onTag?: (tag: string) => void;
  onConflicts?: () => void;
}

type Open = "nothing" | "form" | "history" | "forget";

/** One entry: what it says, how sure that is, where it comes from; and what can be done with it. */
export function EntryCard({ entry, state, stale, onTag, onConflicts }: Props) {
  const client = useClient();
  const why = refusalOf(useStore(client.me), "editor");
  const [open, setOpen] = useState<Open>("nothing");
  const about = { session_id: state.sessionId, memory_id: entry.memory_id };
  const forget = useAction(() => client.send({ type: "forget", ...about, version: entry.version }));
  const restore = useAction(() => client.send({ type: "restore_memory", ...about }));
  const toggle = (what: Open) => setOpen(open === what ? "nothing" : what);
  const isKnown = entry.status === undefined || entry.status === "active";
  const error = forget.error ?? restore.error;
  return (
    <article className="card p-3" aria-label={`${KINDS[entry.kind]}: ${entry.content.slice(0, 60)}`}>
      <Marks entry={entry} stale={stale} onConflicts={onConflicts} />
      {open === "form" ? (
        <ChangeEntry entry={entry} sessionId={state.sessionId} onDone={() => setOpen("nothing")} />
      ) : (
        <Content entry={entry} />
      )}
      {stale && <p className="mt-1 text-xs text-warn">{stale}</p>}
      <Tags entry={entry} onTag={onTag} />
      <div className="mt-2 flex flex-wrap items-center gap-x-2 gap-y-1 text-xs text-muted">
        <OriginLine origin={entry.origin} state={state} />
        {entry.origins && entry.origins.length > 1 && <span>· said {entry.origins.length} times</span>}
        {(entry.recalls ?? 0) > 0 && <span>· recalled {plural(entry.recalls ?? 0, "time")}</span>}
        <span className="ml-auto flex">
          {isKnown && (
            <>
              <Tool
                word="Edit"
                why={why}
                icon={<Pencil size={14} />}
                pressed={open === "form"}
                onUse={() => toggle("form")}
              />
              <Tool
                word="Forget"
                why={why}
                icon={<Trash2 size={14} />}
                pressed={open === "forget"}
                onUse={() => toggle("forget")}
              />
            </>
          )}
          {!isKnown && (
            <Tool
              word="Restore"
              why={why}
              icon={<RotateCcw size={14} />}
              pressed={false}
              onUse={() => void restore.run()}
            />
          )}
          <Tool
            word="History"
            why={null}
            icon={<Clock size={14} />}
            pressed={open === "history"}
            onUse={() => toggle("history")}
          />
        </span>
      </div>
      {open === "forget" && (
        <p className="mt-2 flex flex-wrap items-center gap-2 text-sm">
          No task will be told this any more. It can be restored.
          <button
            type="button"
            className="button button-danger"
            disabled={forget.busy}
            onClick={() => void forget.run()}
          >
            Forget it
          </button>
          <button type="button" className="button" onClick={() => setOpen("nothing")}>
            Keep it
          </button>
        </p>
      )}
      {error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {error}
        </p>
      )}
      {open === "history" && <History entry={entry} state={state} why={why} />}
    </article>
  );
}

function Marks({ entry, stale, onConflicts }: Pick<Props, "entry" | "stale" | "onConflicts">) {
  const { kind, confidence, source, conflicts_with: others, status, version } = entry;
  return (
    <p className="mb-1.5 flex flex-wrap items-center gap-1.5 text-xs text-muted">
      <span className="chip bg-accent-soft text-accent">{KINDS[kind]}</span>
      <span className={`chip ${confidence === "certain" ? "bg-good-soft text-good" : "bg-raised text-muted"}`}>
        {confidence ?? "likely"}
      </span>
      {status && status !== "active" && <span className="chip bg-raised text-muted">{status}</span>}
      {stale && (
        <span className="chip bg-warn-soft text-warn">
          <TriangleAlert size={12} aria-hidden /> stale
        </span>
      )}
      {others && others.length > 0 && (
        <button
          type="button"
          className="chip min-h-6 bg-bad-soft text-bad underline"
          onClick={onConflicts}
          disabled={!onConflicts}
        >
          contradicts {plural(others.length, "entry", "entries")}
        </button>
      )}
      <span className="grow" />
      <span title={SOURCES[source ?? "agent"]}>version {version}</span>
    </p>
  );
}

const LONG = 600;

function Content({ entry }: { entry: MemoryEntry }) {
  const [all, setAll] = useState(false);
  const { content, kind, place } = entry;
  const text = all || content.length <= LONG ? content : `${content.slice(0, LONG)} …`;
  return (
    <>
      <p className={`text-sm break-words whitespace-pre-wrap ${kind === "key_snippet" ? "font-mono text-xs" : ""}`}>
        {text}
      </p>
      {content.length > LONG && (
        <button type="button" className="mt-1 min-h-7 text-sm text-accent hover:underline" onClick={() => setAll(!all)}>
          {all ? "Show less" : "Show all"}
        </button>
      )}
      {place && <p className="mt-1 font-mono text-xs break-all text-muted">{placeWords(place)}</p>}
    </>
  );
}

function Tags({ entry, onTag }: Pick<Props, "entry" | "onTag">) {
  if (!entry.tags?.length) return null;
  return (
    <p className="mt-1.5 flex flex-wrap gap-1">
      {entry.tags.map((tag) =>
        onTag ? (
          <button
            key={tag}
            type="button"
            className="chip min-h-6 bg-raised text-muted hover:text-ink"
            onClick={() => onTag(tag)}
          >
            #{tag}
          </button>
        ) : (
          <span key={tag} className="chip bg-raised text-muted">
            #{tag}
          </span>
        ),
      )}
    </p>
  );
}

interface ToolProps {
  word: string;
  icon: ReactNode;
  /** Why it may not be used. */
  why: string | null;
  pressed: boolean;
  onUse: () => void;
}

function Tool({ word, icon, why, pressed, onUse }: ToolProps) {
  return (
    <button
      type="button"
      className="inline-flex min-h-8 items-center gap-1 rounded-md px-1.5 hover:bg-raised hover:text-ink disabled:opacity-60 max-md:min-h-11"
      aria-expanded={pressed}
      disabled={why !== null}
      title={why ?? undefined}
      onClick={onUse}
    >
      <span aria-hidden="true">{icon}</span> {word}
    </button>
  );
}
