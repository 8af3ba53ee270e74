/** What several components need of React. */
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { sentenceOf } from "../failure";

export interface Action {
  run(): Promise<boolean>;
  busy: boolean;
  /** Why it did not work, for people. */
  error: string | null;
}

/** Something that takes a while and can fail. `run` says whether it worked. */
export function useAction(work: () => Promise<unknown>): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      await work();
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
