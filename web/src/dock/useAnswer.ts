/** Sends an answer. Where somebody was faster there is nothing to complain about: the dock goes by itself. */

import { useRef } from "react";
import type { Wish } from "../connection";
import { Failure } from "../failure";
import { type Action, useAction } from "../page/hooks";
import { useClient } from "../store/client";

const SETTLED = new Set(["already_resolved", "not_waiting"]);

export function useAnswer(): Omit<Action, "run"> & { answer: (...wishes: Wish[]) => void } {
  const client = useClient();
  const wanted = useRef<Wish[]>([]);
  const action = useAction(async () => {
    try {
      for (const wish of wanted.current) await client.send(wish);
    } catch (error) {
      if (!(error instanceof Failure && SETTLED.has(error.code))) throw error;
    }
  });
  const answer = (...wishes: Wish[]) => {
    wanted.current = wishes;
    void action.run();
  };
  return { busy: action.busy, error: action.error, answer };
}
