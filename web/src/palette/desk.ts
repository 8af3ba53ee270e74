/** What keys and the palette reach of the page, whatever of it is shown. */
import { createContext, useContext, useEffect } from "react";
import type { SessionDialog } from "../page/dialogs";
import type { ViewId } from "../panels/Panels";
import type { SessionState } from "../store/session";
import { Store } from "../store/store";

/** The session that is looked at. */
export interface OpenSession {
  state(): SessionState;
  /** Show a panel, or the conversation where it is not beside it. */
  show(view: ViewId): void;
  dialog(dialog: SessionDialog): void;
  find(): void;
}

export type Overlay = "palette" | "keys";

export class Desk {
  readonly session = new Store<OpenSession | null>(null);
  readonly overlay = new Store<Overlay | null>(null);
  /** Why the last action did not work, for people. */
  readonly failure = new Store<string | null>(null);
}

const DeskContext = createContext<Desk | null>(null);
export const DeskProvider = DeskContext.Provider;

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error("There is no desk around this component.");
  return desk;
}

/** Within reach for as long as it is shown. */
export function useReach(session: OpenSession): void {
  const desk = useDesk();
  useEffect(() => {
    desk.session.set(session);
    return () => {
      if (desk.session.get() === session) desk.session.set(null);
    };
  }, [desk, session]);
}
