import { ArrowUp } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { sentenceOf } from "../failure";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";

/** The way to the events before those that are here: it is taken by itself when it is reached, or to an event that is wanted. */
export function Older({ state, downTo }: { state: SessionState; downTo: number | null }) {
  const client = useClient();
  const { sessionId, firstSeq } = state;
  const button = useRef<HTMLButtonElement>(null);
  const isLoading = useRef(false);
  const [failure, setFailure] = useState<string | null>(null);
  const load = async (seq: number | null) => {
    if (isLoading.current) return;
    isLoading.current = true;
    setFailure(null);
    try {
      await client.loadOlder(sessionId, seq);
    } catch (error) {
      setFailure(sentenceOf(error));
    } finally {
      isLoading.current = false;
    }
  };
  const isWanted = downTo !== null && state.seq > 0 && downTo < firstSeq;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each page on the way to the event that is wanted.
  useEffect(() => {
    if (isWanted) load(downTo);
  }, [isWanted, downTo, firstSeq]);
  // Watched anew after each page: one that was not enough to push this out of sight is followed by the next.
  // biome-ignore lint/correctness/useExhaustiveDependencies: so is `load`.
  useEffect(() => {
    if (!button.current || state.seq < firstSeq) return;
    const watcher = new IntersectionObserver(([seen]) => seen?.isIntersecting && load(null));
    watcher.observe(button.current);
    return () => watcher.disconnect();
  }, [firstSeq, sessionId, state.seq < firstSeq]);
  return (
    <p className="flex flex-col items-center gap-1 pb-2 text-sm text-muted">
      <button ref={button} type="button" className="button" onClick={() => load(null)}>
        <ArrowUp size={15} aria-hidden /> Show older
      </button>
      {failure && <span role="alert">{failure}</span>}
    </p>
  );
}
