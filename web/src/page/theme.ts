/** Light, dark, or as the system is: kept in this browser. */
import { Store } from "../store/store";

export type Theme = "system" | "light" | "dark";
const KEY = "vgproject.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const dark = matchMedia("(prefers-color-scheme: dark)");

export const theme = new Store<Theme>(parseTheme(localStorage.getItem(KEY)));

export function showTheme(): void {
  const show = () => {
    const chosen = theme.get();
    document.documentElement.dataset.theme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  };
  dark.addEventListener("change", show);
  theme.watch(show);
  show();
}

export function nextTheme(): void {
  chooseTheme(NEXT[theme.get()]);
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  theme.set(chosen);
}

function parseTheme(kept: string | null): Theme {
  return kept === "light" || kept === "dark" ? kept : "system";
}
