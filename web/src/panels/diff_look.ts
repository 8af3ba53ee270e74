/** How changes are shown: kept in this browser. */
import { Store } from "../store/store";

export type DiffLook = "unified" | "split";
const KEY = "vgproject.diff";

export const diffLook = new Store<DiffLook>(localStorage.getItem(KEY) === "split" ? "split" : "unified");

export function chooseDiffLook(look: DiffLook): void {
  localStorage.setItem(KEY, look);
  diffLook.set(look);
}
