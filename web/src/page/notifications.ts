/** Says by the system's notifications what happened in sessions while nobody looked at the page. Off until it is turned on. */
import type { SessionView } from "../protocol";
import { Store } from "../store/store";
import { nameOf } from "./format";

const KEPT = "vgproject.notify";

export const notifying = new Store(localStorage.getItem(KEPT) === "on" && isGranted());

export interface News {
  readonly sessionId: string;
  readonly title: string;
  readonly text: string;
}

/** What a person would want to know of since `before`; a session that is new is no news. */
export function newsOf(before: readonly SessionView[], now: readonly SessionView[]): News[] {
  const known = new Map(before.map((view) => [view.session_id, view]));
  return now.flatMap((view) => {
    const last = known.get(view.session_id);
    const text = last && changeOf(last, view);
    const title = nameOf(view.title, view.project, view.tasks?.at(-1)?.content) || view.session_id;
    return text ? [{ sessionId: view.session_id, title, text }] : [];
  });
}

const ENDS: Partial<Record<string, string>> = { completed: "The task is done.", failed: "The task failed." };

function changeOf(before: SessionView, now: SessionView): string | null {
  // An answer and the next question may both lie between two looks.
  if (now.waiting_for?.some((id) => !before.waiting_for?.includes(id))) return "It needs you.";
  const [was, is] = [before.tasks?.at(-1), now.tasks?.at(-1)];
  const isSame = was?.task_id === is?.task_id && was?.status === is?.status;
  return is && !isSame ? (ENDS[is.status] ?? null) : null;
}

/** Raises an `Error` with a sentence where the browser does not allow it. */
export async function turnOnNotifications(): Promise<void> {
  if (!("Notification" in window)) throw new Error("This browser has no notifications for this page.");
  if ((await Notification.requestPermission()) !== "granted")
    throw new Error("This browser does not allow notifications of this page: allow them in its settings.");
  localStorage.setItem(KEPT, "on");
  notifying.set(true);
}

export function turnOffNotifications(): void {
  localStorage.setItem(KEPT, "off");
  notifying.set(false);
}

export function notify({ sessionId, title, text }: News, onOpen: () => void): void {
  // One for each session: a later one takes the place of the one before.
  const notification = new Notification(title, { body: text, tag: sessionId });
  notification.onclick = () => {
    window.focus();
    notification.close();
    onOpen();
  };
}

function isGranted(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}
