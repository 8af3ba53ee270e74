import { clock } from "../page/format";
import { CommentButton } from "../people/CommentButton";
import { rowPlace } from "../people/threads";
import { useClient } from "../store/client";

interface Props {
  seq: number;
  time: string;
  /** Where there is no room for the time. */
  className?: string;
}

/** When it was, as the address of this very event, and what people say to it. */
export function EventLink({ seq, time, className = "" }: Props) {
  const { places } = useClient();
  const { sessionId } = places.get();
  return (
    <>
      <CommentButton place={rowPlace(seq)} about={`event ${seq}`} />
      <a
        href={`/sessions/${sessionId}/events/${seq}`}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey) return;
          event.preventDefault();
          places.go({ sessionId, seq });
        }}
        className={`shrink-0 text-xs text-faint tabular-nums hover:text-accent hover:underline ${className}`}
        aria-label={`Event ${seq}`}
      >
        <time dateTime={time}>{clock(time)}</time>
      </a>
    </>
  );
}
