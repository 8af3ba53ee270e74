import { clock } from "../page/format";
import { useClient } from "../store/client";

interface Props {
  seq: number;
  time: string;
}

/** When it was, as the address of this very event. */
export function EventLink({ seq, time }: Props) {
  const { places } = useClient();
  const { sessionId } = places.get();
  return (
    <a
      href={`/sessions/${sessionId}/events/${seq}`}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        places.go({ sessionId, seq });
      }}
      className="shrink-0 text-xs text-faint tabular-nums hover:text-accent hover:underline"
      aria-label={`Event ${seq}`}
    >
      <time dateTime={time}>{clock(time)}</time>
    </a>
  );
}
