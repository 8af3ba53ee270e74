/** What several components need of React. */
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { type NEEDS, refusalIn, steeringRefusal } from "../access";
import { sentenceOf } from "../failure";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";

export interface Action<A extends unknown[] = []> {
  run(...given: A): Promise<boolean>;
  busy: boolean;
  /** Why it did not work, for people. */
  error: string | null;
}

/** Something that takes a while and can fail. `run` says whether it worked. */
export function useAction<A extends unknown[] = []>(work: (...given: A) => Promise<unknown>): Action<A> {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const run = async (...given: A) => {
    setBusy(true);
    setError(null);
    try {
      await work(...given);
      return true;
    } catch (caught) {
      setError(sentenceOf(caught));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { run, busy, error };
}

/** The time, each second while `running`. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const ticking = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(ticking);
  }, [running]);
  return now;
}

export function useMedia(query: string): boolean {
  const watch = useCallback(
    (watcher: () => void) => {
      const media = matchMedia(query);
      media.addEventListener("change", watcher);
      return () => media.removeEventListener("change", watcher);
    },
    [query],
  );
  return useSyncExternalStore(watch, () => matchMedia(query).matches);
}

/** Why this person may not do that in the session, for people; `null` where they may. */
export function useRefusal(state: SessionState, what: keyof typeof NEEDS | "steer"): string | null {
  const me = useStore(useClient().me);
  return what === "steer" ? steeringRefusal(state.members, me, state.holder) : refusalIn(state.members, me, what);
}
