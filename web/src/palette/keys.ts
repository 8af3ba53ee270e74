/** Which keys do what, and when they do nothing. */
import { Store } from "../store/store";

const KEPT = "vgproject.keys";

/** Keys without Ctrl or Cmd can be turned off: who speaks to the browser would press them by chance. */
export const plainKeys = new Store(localStorage.getItem(KEPT) !== "off");

export function choosePlainKeys(on: boolean): void {
  localStorage.setItem(KEPT, on ? "on" : "off");
  plainKeys.set(on);
}

export type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">;

/** `keys` is a key's name, with `Mod+` before it where Ctrl or Cmd is held. */
export function isPressed(event: Pressed, keys: string): boolean {
  const key = keys.replace(/^Mod\+/, "");
  const held = event.ctrlKey || event.metaKey;
  return held === (key !== keys) && !event.altKey && event.key.toLowerCase() === key.toLowerCase();
}

const NO_TEXT = new Set(["button", "checkbox", "radio", "range", "submit", "reset", "file", "color"]);

/** Whether keys go into a text there. */
export function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !NO_TEXT.has(target.type);
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** As it is printed on this machine's keyboard. */
export function keyWords(keys: string, platform: string = navigator.platform): string {
  return keys.replace("Mod+", platform.startsWith("Mac") ? "⌘" : "Ctrl+");
}
