/** What is looked for in the timeline, and where of it one is. */
import { useEffect, useMemo, useState } from "react";
import type { Item } from "../store/session";
import { useStore } from "../store/store";
import { findRows, stepFrom } from "./find";
import { chooseKinds, isOfKinds, shownKinds } from "./kinds";

export function useFind(all: readonly Item[], onGo: (index: number) => void, onClose: () => void) {
  const kinds = useStore(shownKinds);
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  const rows = useMemo(() => all.filter((item) => isOfKinds(item, kinds)), [all, kinds]);
  const found = useMemo(() => findRows(rows, typed), [rows, typed]);
  const current = chosen !== null && found.includes(chosen) ? chosen : (found.at(-1) ?? null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is gone to once; rows that come later move it by themselves.
  useEffect(() => {
    if (current !== null) onGo(rows.findIndex((row) => row.key === current));
  }, [current, typed]);
  const close = () => {
    setTyped("");
    chooseKinds([]);
    onClose();
  };
  return {
    rows,
    current,
    isNarrowed: kinds.length > 0,
    bar: {
      typed,
      onTyped: setTyped,
      found,
      current,
      onStep: (step: 1 | -1) => setChosen(stepFrom(found, current, step)),
      onClose: close,
    },
  };
}
