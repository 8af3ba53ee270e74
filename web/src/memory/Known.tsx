import { Plus, Search, X } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { refusalOf } from "../access";
import { sentenceOf } from "../failure";
import { plural } from "../page/format";
import type { MemoryEntry, Proposal } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { EntryCard } from "./EntryCard";
import { NewEntry } from "./EntryForm";
import { listProposals, readEntry, searchMemory, type Where } from "./http";
import type { MemoryState } from "./memory";
import { staleReasons } from "./recalled";
import { KINDS } from "./words";

const PAGE = 100;
const TYPING_MS = 250;

interface Props {
  memory: MemoryState;
  where: Where;
  state: SessionState;
  /** The one entry to look at. */
  only: string | null;
  onOnly: (id: string | null) => void;
  onConflicts: () => void;
}

/** All that is known: by kind and tag, or what has to do with some words, the best first. */
export function Known({ memory, where, state, only, onOnly, onConflicts }: Props) {
  const client = useClient();
  const why = refusalOf(useStore(client.me), "editor");
  const [query, setQuery] = useState("");
  const [kind, setKind] = useState<MemoryEntry["kind"] | null>(null);
  const [tag, setTag] = useState<string | null>(null);
  const [adding, setAdding] = useState(false);
  const [shown, setShown] = useState(PAGE);
  const found = useSearch(where, query.trim(), kind);
  const stale = useStale(where, state);
  const entries = useMemo(() => {
    const all = found.ids ? found.ids.flatMap((id) => memory.entries.get(id) ?? []) : newestFirst(memory);
    return all.filter((entry) => (!kind || entry.kind === kind) && (!tag || entry.tags?.includes(tag)));
  }, [memory, found.ids, kind, tag]);

  if (only) return <OneEntry id={only} memory={memory} state={state} stale={stale} onBack={() => onOnly(null)} />;
  return (
    <>
      <div className="grid gap-2">
        <div className="flex gap-2">
          <label className="relative grow">
            <span className="sr-only">Search the memory</span>
            <Search size={15} className="absolute top-1/2 left-2.5 -translate-y-1/2 text-faint" aria-hidden />
            <input
              className="field pl-8"
              type="search"
              placeholder="What has to do with …"
              value={query}
              onChange={(event) => setQuery(event.target.value)}
            />
          </label>
          <button
            type="button"
            className="button"
            disabled={why !== null}
            title={why ?? undefined}
            aria-expanded={adding}
            onClick={() => setAdding(!adding)}
          >
            <Plus size={15} aria-hidden /> Add
          </button>
        </div>
        {why && <p className="text-xs text-muted">{why}</p>}
        <div className="flex flex-wrap items-center gap-2">
          <label>
            <span className="sr-only">Kind</span>
            <select
              className="field py-1.5"
              value={kind ?? ""}
              onChange={(event) => setKind((event.target.value || null) as MemoryEntry["kind"] | null)}
            >
              <option value="">All kinds</option>
              {Object.entries(KINDS).map(([key, word]) => (
                <option key={key} value={key}>
                  {word}
                </option>
              ))}
            </select>
          </label>
          {tag && (
            <button type="button" className="chip min-h-8 bg-accent-soft text-accent" onClick={() => setTag(null)}>
              #{tag} <X size={12} aria-hidden /> <span className="sr-only">Show all tags</span>
            </button>
          )}
          <span className="text-xs text-muted" role="status">
            {memory.loaded ? plural(entries.length, "entry", "entries") : "Loading …"}
          </span>
        </div>
        {adding && (
          <div className="card p-3">
            <NewEntry sessionId={state.sessionId} scope={where.scope} onDone={() => setAdding(false)} />
          </div>
        )}
        {found.error && <p className="text-sm text-bad">{found.error}</p>}
      </div>
      <ul className="mt-2 grid gap-2" aria-label="Entries">
        {entries.slice(0, shown).map((entry) => (
          <li key={entry.memory_id}>
            <EntryCard
              entry={entry}
              state={state}
              stale={stale.get(entry.memory_id)}
              onTag={setTag}
              onConflicts={onConflicts}
            />
          </li>
        ))}
      </ul>
      {memory.loaded && !entries.length && (
        <p className="panel-empty">{memory.entries.size ? "Nothing like that is known." : "Nothing is known yet."}</p>
      )}
      {entries.length > shown && (
        <button type="button" className="button mt-2 w-full" onClick={() => setShown(shown + PAGE)}>
          Show more ({entries.length - shown})
        </button>
      )}
    </>
  );
}

function newestFirst(memory: MemoryState): MemoryEntry[] {
  return [...memory.entries.values()].sort((one, other) => (one.updated_at < other.updated_at ? 1 : -1));
}

interface Found {
  /** The best first; `null` where nothing is searched. */
  ids: readonly string[] | null;
  error: string | null;
}

function useSearch({ project, scope }: Where, query: string, kind: MemoryEntry["kind"] | null): Found {
  const [found, setFound] = useState<Found>({ ids: null, error: null });
  useEffect(() => {
    if (!query) return setFound({ ids: null, error: null });
    let gone = false;
    const search = async () => {
      try {
        const entries = await searchMemory({ project, scope }, query, kind);
        if (!gone) setFound({ ids: entries.map((entry) => entry.memory_id), error: null });
      } catch (error) {
        if (!gone) setFound({ ids: [], error: sentenceOf(error) });
      }
    };
    const waiting = setTimeout(search, TYPING_MS);
    return () => {
      gone = true;
      clearTimeout(waiting);
    };
  }, [project, scope, query, kind]);
  return found;
}

/** Why entries are probably stale, by id: as this session's files say, or as the server finds. */
function useStale({ project, scope }: Where, state: SessionState): ReadonlyMap<string, string> {
  const [proposals, setProposals] = useState<readonly Proposal[]>([]);
  useEffect(() => {
    let gone = false;
    // Who may not see the whole memory of this project by HTTP goes without.
    listProposals({ project, scope }).then(
      (read) => gone || setProposals(read),
      () => {},
    );
    return () => {
      gone = true;
    };
  }, [project, scope]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of items is what counts.
  return useMemo(() => {
    const found = proposals.filter((one) => one.reason === "stale");
    return new Map([...found.map((one) => [one.entry.memory_id, one.explanation] as const), ...staleReasons(state)]);
  }, [proposals, state.items]);
}

interface OneProps {
  id: string;
  memory: MemoryState;
  state: SessionState;
  stale: ReadonlyMap<string, string>;
  onBack: () => void;
}

/** One entry, whether it is known still or not. */
function OneEntry({ id, memory, state, stale, onBack }: OneProps) {
  const [read, setRead] = useState<MemoryEntry | null>(null);
  const [error, setError] = useState<string | null>(null);
  const known = memory.entries.get(id);
  useEffect(() => {
    if (known) return;
    readEntry(id).then(setRead, (failure) => setError(sentenceOf(failure)));
  }, [id, known]);
  const entry = known ?? read;
  return (
    <>
      <button type="button" className="button mb-2" onClick={onBack}>
        Show all entries
      </button>
      {entry && <EntryCard entry={entry} state={state} stale={stale.get(id)} />}
      {!entry && error && <p className="text-sm text-bad">{error}</p>}
    </>
  );
}
