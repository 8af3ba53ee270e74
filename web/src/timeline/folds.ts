/** What the person has folded or unfolded: rows leave the page when they are scrolled away, and must come back as they were. */
import { createContext, useContext, useState } from "react";

const Folds = createContext<Map<string, boolean>>(new Map());
export const FoldsProvider = Folds.Provider;

export function useFold(key: string, openAtFirst: boolean): [open: boolean, toggle: () => void] {
  const folds = useContext(Folds);
  const [chosen, setChosen] = useState(folds.get(key));
  const open = chosen ?? openAtFirst;
  const toggle = () => {
    folds.set(key, !open);
    setChosen(!open);
  };
  return [open, toggle];
}
