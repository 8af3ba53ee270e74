import { useMemo } from "react";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";

interface Seen {
  path: string;
  seq: number;
}

/** Which files the agents changed and which they read; each leads to where that happened last. */
export function FilesPanel({ state }: { state: SessionState }) {
  const read = useMemo(() => readFiles(state), [state]);
  if (!state.files.size && !read.length) return <p className="panel-empty">No file has been touched yet.</p>;
  return (
    <div className="p-3">
      {state.files.size > 0 && <Group title="Changed" files={[...state.files.values()]} state={state} />}
      {read.length > 0 && <Group title="Read" files={read} state={state} />}
    </div>
  );
}

function readFiles(state: SessionState): Seen[] {
  const seen = new Map<string, Seen>();
  for (const item of state.items)
    if (item.kind === "tool" && item.tool === "read_file" && item.status === "done") {
      const path = String(item.arguments.path);
      if (!state.files.has(path)) seen.set(path, { path, seq: item.seq });
    }
  return [...seen.values()];
}

function Group({ title, files, state }: { title: string; files: readonly Seen[]; state: SessionState }) {
  const { places } = useClient();
  const sorted = [...files].sort((one, other) => one.path.localeCompare(other.path));
  return (
    <section aria-label={title} className="mb-4">
      <h2 className="px-2 pb-1 text-xs font-semibold text-faint">{title}</h2>
      <ul>
        {sorted.map(({ path, seq }) => {
          const changed = state.files.get(path);
          return (
            <li key={path}>
              <a
                href={`/sessions/${state.sessionId}/events/${seq}`}
                onClick={(event) => {
                  if (event.metaKey || event.ctrlKey) return;
                  event.preventDefault();
                  places.go({ sessionId: state.sessionId, seq });
                }}
                className="flex min-h-9 items-center gap-2 rounded-lg px-2 hover:bg-raised max-md:min-h-11"
              >
                <span className="min-w-0 grow truncate font-mono text-xs">{path}</span>
                {changed && (
                  <span className="text-xs tabular-nums">
                    {changed.change !== "modified" && <span className="text-muted">{changed.change} </span>}
                    <span className="text-good">+{changed.additions}</span>{" "}
                    <span className="text-bad">−{changed.deletions}</span>
                  </span>
                )}
              </a>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
