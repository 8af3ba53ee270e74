/** What a session is asked before it is done, and shown apart: opened from wherever it is offered. */
import { createContext, useContext } from "react";

export type SessionDialog =
  | { readonly kind: "rewind"; readonly seq: number }
  /** `null`: as it is now. */
  | { readonly kind: "fork"; readonly seq: number | null }
  | { readonly kind: "rename" | "settings" | "share" | "people" | "export" | "delete" };

const Dialogs = createContext<(dialog: SessionDialog) => void>(() => {});
export const DialogsProvider = Dialogs.Provider;

export function useDialogs(): (dialog: SessionDialog) => void {
  return useContext(Dialogs);
}
