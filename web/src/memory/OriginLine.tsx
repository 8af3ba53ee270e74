import type { MemoryOrigin } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";

interface Props {
  origin: MemoryOrigin;
  state: SessionState;
}

/** Who noted it and where, as a link to there. */
export function OriginLine({ origin, state }: Props) {
  const { places, list } = useClient();
  const { session_id: sessionId, phase, actor, imported_from: file } = origin;
  const seq = sessionId === state.sessionId ? seqOf(origin, state) : null;
  const title = list.get().views.find((view) => view.session_id === sessionId)?.title;
  return (
    <span>
      {phase ?? actor}
      {file && ` from ${file}`}
      {sessionId && " in "}
      {sessionId && (
        <a
          href={`/sessions/${sessionId}${seq ? `/events/${seq}` : ""}`}
          className="underline underline-offset-2 hover:text-accent"
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey) return;
            event.preventDefault();
            places.go({ sessionId, seq });
          }}
        >
          {sessionId === state.sessionId ? "this session" : (title ?? "another session")}
        </a>
      )}
    </span>
  );
}

/** Where in this session's log it was noted, as near as is known. */
function seqOf({ message_id: message, task_id: task }: MemoryOrigin, state: SessionState): number | null {
  const keys = [`message:${message}`, `reasoning:${message}`, `task:${task}`];
  const position = keys.map((key) => state.positions.get(key)).find((found) => found !== undefined);
  return position === undefined ? null : (state.items[position]?.seq ?? null);
}
