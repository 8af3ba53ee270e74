import { useState } from "react";
import { refusalOf } from "../access";
import { useAction } from "../page/hooks";
import type { MemoryConflict, MemoryEntry, SettleMemory } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { OriginLine } from "./OriginLine";
import { day, KINDS } from "./words";

interface Props {
  conflicts: readonly MemoryConflict[] | null;
  error: string | null;
  state: SessionState;
}

/** Entries that cannot both be true: somebody has to say which is. */
export function Conflicts({ conflicts, error, state }: Props) {
  if (error)
    return (
      <p role="alert" className="panel-empty text-bad">
        {error}
      </p>
    );
  if (!conflicts) return <p className="panel-empty">Loading …</p>;
  if (!conflicts.length) return <p className="panel-empty">Nothing that is known contradicts anything else.</p>;
  return (
    <ul className="grid gap-3" aria-label="Conflicts">
      {conflicts.map((conflict) => (
        <li key={conflict.conflict_id}>
          <Conflict conflict={conflict} state={state} />
        </li>
      ))}
    </ul>
  );
}

type Settlement = SettleMemory["settlement"];

const SETTLEMENTS: { settlement: Settlement; word: string }[] = [
  { settlement: "keep_first", word: "Keep the first" },
  { settlement: "keep_second", word: "Keep the second" },
  { settlement: "keep_both", word: "Keep both" },
];

function Conflict({ conflict, state }: { conflict: MemoryConflict; state: SessionState }) {
  const client = useClient();
  const why = refusalOf(useStore(client.me), "editor");
  const [text, setText] = useState<string | null>(null);
  const settle = useAction((settlement: Settlement) => {
    const content = settlement === "rewrite" ? { content: text?.trim() ?? "" } : {};
    const about = { session_id: state.sessionId, conflict_id: conflict.conflict_id };
    return client.send({ type: "settle_memory", ...about, settlement, ...content });
  });
  const blocked = settle.busy || why !== null;
  return (
    <section className="card p-3" aria-label="Conflict">
      <p className="text-sm text-warn">{conflict.reason}</p>
      <div className="mt-2 grid gap-2 sm:grid-cols-2">
        <Side title="First" entry={conflict.first} state={state} />
        <Side title="Second" entry={conflict.second} state={state} />
      </div>
      <div className="mt-2 flex flex-wrap gap-2">
        {SETTLEMENTS.map(({ settlement, word }) => (
          <button
            key={settlement}
            type="button"
            className="button"
            disabled={blocked}
            onClick={() => void settle.run(settlement)}
          >
            {word}
          </button>
        ))}
        <button
          type="button"
          className="button"
          disabled={blocked}
          aria-expanded={text !== null}
          onClick={() => setText(text === null ? conflict.second.content : null)}
        >
          Write what is right
        </button>
      </div>
      {text !== null && (
        <form
          className="mt-2 grid gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            void settle.run("rewrite");
          }}
        >
          <label>
            <span className="label">What is right, in place of both</span>
            <textarea
              className="field field-sizing-content min-h-16"
              value={text}
              autoFocus
              required
              maxLength={8000}
              onChange={(event) => setText(event.target.value)}
            />
          </label>
          <button type="submit" className="button button-main w-fit" disabled={blocked || !text.trim()}>
            Put it in their place
          </button>
        </form>
      )}
      {why && <p className="mt-2 text-xs text-muted">{why}</p>}
      {settle.error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {settle.error}
        </p>
      )}
    </section>
  );
}

function Side({ title, entry, state }: { title: string; entry: MemoryEntry; state: SessionState }) {
  return (
    <div className="rounded-lg bg-raised p-2.5">
      <p className="text-xs font-medium">
        {title} · {KINDS[entry.kind]} · {entry.confidence ?? "likely"}
      </p>
      <p className="mt-1 text-sm break-words whitespace-pre-wrap">{entry.content}</p>
      <p className="mt-1 text-xs text-muted">
        <OriginLine origin={entry.origin} state={state} />, {day(entry.created_at)}
      </p>
    </div>
  );
}
