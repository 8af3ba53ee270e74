import { useMemo } from "react";
import { useClient } from "../store/client";
import { changedFiles, type SessionState, type TouchedFile } from "../store/session";

interface Seen extends Partial<Pick<TouchedFile, "change" | "additions" | "deletions">> {
  path: string;
  seq: number;
}

/** Which files the agents changed and which they read; each leads to where that happened last. */
export function FilesPanel({ state }: { state: SessionState }) {
  const changed = useMemo(() => changedFiles(state), [state]);
  const read = useMemo(() => readFiles(state, changed), [state, changed]);
  if (!changed.length && !read.length) return <p className="panel-empty">No file has been touched yet.</p>;
  return (
    <div className="p-3">
      {changed.length > 0 && <Group title="Changed" files={changed} state={state} />}
      {read.length > 0 && <Group title="Read" files={read} state={state} />}
    </div>
  );
}

function readFiles(state: SessionState, changed: readonly Seen[]): Seen[] {
  const paths = new Set(changed.map(({ path }) => path));
  const seen = new Map<string, Seen>();
  for (const item of state.items)
    if (item.kind === "tool" && item.tool === "read_file" && item.status === "done") {
      const path = String(item.arguments.path);
      if (!paths.has(path)) seen.set(path, { path, seq: item.seq });
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
        {sorted.map(({ path, seq, change, additions, deletions }) => (
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
              {change && (
                <span className="text-xs tabular-nums">
                  {change !== "modified" && <span className="text-muted">{change} </span>}
                  <span className="text-good">+{additions}</span> <span className="text-bad">−{deletions}</span>
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
