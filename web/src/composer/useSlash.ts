/** Carries out a command that was written instead of a text. */
import { Failure } from "../failure";
import { useDialogs } from "../page/dialogs";
import { useDesk } from "../palette/desk";
import { focusOn } from "../palette/focus";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { type Outcome, outcomeOf } from "./slash";

/** Whether the text was a command, which is done then. Raises `Failure`. */
export function useSlash(state: SessionState): (text: string) => Promise<boolean> {
  const client = useClient();
  const desk = useDesk();
  const open = useDialogs();
  const carryOut = async (outcome: Outcome): Promise<void> => {
    switch (outcome.kind) {
      case "send":
        await client.send(outcome.wish);
        return;
      case "dialog":
        return open(outcome.dialog);
      case "show":
        return desk.session.get()?.show(outcome.panel);
      case "find":
        return desk.session.get()?.find();
      case "keys":
        return desk.overlay.set("keys");
      case "answer":
        return focusOn("answer");
      case "wrong":
        throw new Failure("no_command", outcome.why);
      default: {
        const unknown: never = outcome;
        return unknown;
      }
    }
  };
  return async (text) => {
    const outcome = outcomeOf(state, text);
    if (outcome) await carryOut(outcome);
    return outcome !== null;
  };
}
