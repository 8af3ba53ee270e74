import { useEffect, useState } from "react";
import { sentenceOf } from "../failure";
import { Segments } from "../page/Segments";
import type { MemoryConflict } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { Conflicts } from "./Conflicts";
import { type Scope, useFeed } from "./feed";
import { Gone } from "./Gone";
import { listConflicts, type Where } from "./http";
import { InSession } from "./InSession";
import { Known } from "./Known";
import type { MemoryState } from "./memory";

type View = "known" | "session" | "conflicts" | "gone";

const SCOPES: { value: Scope; word: string; about: string }[] = [
  { value: "project", word: "Project", about: "What is known about this project" },
  { value: "user", word: "Yours", about: "What is known for you, in all projects; nobody else sees it" },
];

/** What is known, live: to look at, to change, and with why it was recalled. */
export function MemoryPanel({ state }: { state: SessionState }) {
  const client = useClient();
  const [scope, setScope] = useState<Scope>("project");
  const [view, setView] = useState<View>("known");
  const [only, setOnly] = useState<string | null>(null);
  const feed = useFeed(client, { sessionId: state.sessionId, scope });
  const memory = useStore(feed);
  const error = useStore(feed.error);
  const where = { project: state.project, scope };
  const conflicts = useConflicts(where, memory);
  const open = conflicts.found?.length ?? 0;
  const views: { value: View; word: string; about: string }[] = [
    { value: "known", word: "Known", about: "All entries" },
    { value: "session", word: "This session", about: "What the phases were given and why, and what they added" },
    { value: "conflicts", word: open ? `Conflicts ${open}` : "Conflicts", about: "What contradicts what" },
    { value: "gone", word: "Forgotten", about: "What can be restored" },
  ];
  const choose = (next: View) => {
    setView(next);
    setOnly(null);
  };
  const show = (id: string) => {
    setView("known");
    setOnly(id);
  };
  return (
    <div className="p-3">
      <div className="mb-3 flex flex-wrap gap-2">
        <Segments label="What to see" options={views} chosen={view} onChoose={choose} />
        {view !== "session" && <Segments label="Whose memory" options={SCOPES} chosen={scope} onChoose={setScope} />}
      </div>
      {error && (
        <p role="alert" className="mb-2 text-sm text-bad">
          {error}
        </p>
      )}
      {view === "known" && (
        <Known
          key={scope}
          memory={memory}
          where={where}
          state={state}
          only={only}
          onOnly={setOnly}
          onConflicts={() => choose("conflicts")}
        />
      )}
      {view === "session" && <InSession memory={memory} state={state} onEntry={show} />}
      {view === "conflicts" && <Conflicts conflicts={conflicts.found} error={conflicts.error} state={state} />}
      {view === "gone" && <Gone where={where} seq={memory.seq} state={state} />}
    </div>
  );
}

/** The open ones; they are read again when an entry begins or ceases to contradict another. */
function useConflicts({ project, scope }: Where, memory: MemoryState) {
  const [read, setRead] = useState<{ found: readonly MemoryConflict[] | null; error: string | null }>({
    found: null,
    error: null,
  });
  const sides = [...memory.entries.values()]
    .filter((entry) => entry.conflicts_with?.length)
    .map((entry) => `${entry.memory_id}/${entry.version}`)
    .join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: they are who contradicts.
  useEffect(() => {
    let gone = false;
    listConflicts({ project, scope }).then(
      (found) => gone || setRead({ found, error: null }),
      (failure) => gone || setRead({ found: null, error: sentenceOf(failure) }),
    );
    return () => {
      gone = true;
    };
  }, [project, scope, sides]);
  return read;
}
