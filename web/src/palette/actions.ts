/** All that can be done by a word or a key, in one list: the palette, the keys and the sheet of keys are made from it. */
import { refusalIn } from "../access";
import type { Wish } from "../connection";
import { sentenceOf } from "../failure";
import { capital, lastName, nameOf } from "../page/format";
import { notifying, turnOffNotifications, turnOnNotifications } from "../page/notifications";
import { chooseTheme, type Theme } from "../page/theme";
import { PANEL_WORDS } from "../panels/panel_words";
import type { Client } from "../store/client";
import { currentTask, isOpen, type Task } from "../store/session";
import type { Desk, OpenSession } from "./desk";
import { focusOn } from "./focus";
import type { Worded } from "./match";

export interface Action extends Worded {
  readonly id: string;
  readonly group: "This session" | "Everywhere" | "Sessions";
  readonly keys?: string;
  /** Why it may not be done now. */
  readonly why?: string | null;
  run(): void;
}

export function actionsOf(client: Client, desk: Desk): Action[] {
  const session = desk.session.get();
  return [...(session ? sessionActions(client, desk, session) : []), ...pageActions(client, desk), ...ways(client)];
}

function sessionActions(client: Client, desk: Desk, session: OpenSession): Action[] {
  const state = session.state();
  const me = client.me.get();
  const task = currentTask(state);
  const edit = refusalIn(state.members, me, "edit");
  const open = state.tasks.some(isOpen) ? "A task is open: cancel it first, or let it end." : null;
  const one = (id: string, word: string, run: () => void, more: Partial<Action> = {}): Action => ({
    ...{ id, word, run, group: "This session" },
    ...more,
  });
  const toChat = (place: "answer" | "compose") => () => {
    session.show("chat");
    focusOn(place);
  };
  const nothing = state.asks.length ? null : "Nothing waits for an answer here.";
  return [
    one("answer", "Answer what is asked", toChat("answer"), {
      keys: "a",
      why: nothing,
      about: "approve deny needs you",
    }),
    one("compose", "Write to the agent", toChat("compose"), { keys: "c", why: edit, about: "message task steer" }),
    ...taskActions(client, desk, session, task, edit),
    one("find", "Search the timeline", session.find, { keys: "/", about: "find filter" }),
    ...PANEL_WORDS.map(({ id, title }, index) =>
      one(`panel-${id}`, `Show ${title}`, () => session.show(id), { keys: String(index + 1), about: "panel tab" }),
    ),
    one("export", "Export", () => session.dialog({ kind: "export" }), { about: "download markdown json" }),
    one("fork", "Fork", () => session.dialog({ kind: "fork", seq: null }), { why: edit, about: "copy branch" }),
    one("rename", "Rename", () => session.dialog({ kind: "rename" }), { why: edit, about: "title" }),
    one("share", "Share", () => session.dialog({ kind: "share" }), { about: "members roles" }),
    one("people", "People", () => session.dialog({ kind: "people" }), {
      about: "who is here control hand over presence",
    }),
    one("setup", "Settings of this session", () => session.dialog({ kind: "settings" }), { about: "model approvals" }),
    one("delete", "Delete", () => session.dialog({ kind: "delete" }), {
      why: refusalIn(state.members, me, "manage") ?? open,
    }),
  ];
}

function taskActions(
  client: Client,
  desk: Desk,
  session: OpenSession,
  task: Task | null,
  why: string | null,
): Action[] {
  if (!task) return [];
  const about = { session_id: session.state().sessionId, task_id: task.id };
  const one = (word: string, wish: Wish, keys?: string): Action => ({
    ...{ id: wish.type, word, group: "This session", why, about: "task stop continue go on" },
    ...(keys ? { keys } : {}),
    run: () => send(client, desk, wish),
  });
  const ended = task.status === "failed" || task.status === "cancelled";
  return [
    ...(task.status === "running" ? [one("Pause the task", { type: "pause", ...about }, "p")] : []),
    ...(task.status === "paused" ? [one("Resume the task", { type: "resume", ...about }, "p")] : []),
    ...(isOpen(task) ? [one("Cancel the task", { type: "cancel", ...about })] : []),
    ...(ended ? [one("Retry the task", { type: "retry", ...about })] : []),
  ];
}

function pageActions(client: Client, desk: Desk): Action[] {
  const one = (id: string, word: string, run: () => void, more: Partial<Action> = {}): Action => ({
    ...{ id, word, run, group: "Everywhere" },
    ...more,
  });
  const theme = (chosen: Theme) =>
    one(`theme-${chosen}`, `Theme: ${chosen === "system" ? "as the system" : chosen}`, () => chooseTheme(chosen));
  const toTask = () => {
    client.places.go({ sessionId: null, seq: null });
    focusOn("compose");
  };
  const toSettings = () => client.places.go({ sessionId: null, seq: null, settings: true });
  const waiting = client.list.get().views.filter((view) => view.status === "needs_you");
  const next = waiting.find((view) => view.session_id !== client.places.get().sessionId) ?? waiting[0];
  return [
    one("palette", "All that can be done", () => desk.overlay.set("palette"), { keys: "Mod+K", about: "palette" }),
    one("task", "New task", toTask, { keys: "n", about: "start session begin" }),
    one("next", "Go to the next session that needs you", () => next && goTo(client, next.session_id), {
      ...{ keys: "g", about: "approval answer", why: next ? null : "No session needs you." },
    }),
    one("settings", "Settings", toSettings, { keys: ",", about: "tokens sign out notifications" }),
    notifications(desk),
    theme("light"),
    theme("dark"),
    theme("system"),
    one("keys", "Keys", () => desk.overlay.set("keys"), { keys: "?", about: "keyboard shortcuts help" }),
  ];
}

function notifications(desk: Desk): Action {
  const on = notifying.get();
  const change = async () => (on ? turnOffNotifications() : await turnOnNotifications());
  const run = () => void change().catch((error) => desk.failure.set(sentenceOf(error)));
  const word = on ? "Notifications: turn off" : "Notifications: turn on";
  return { id: "notify", word, group: "Everywhere", about: "tell me done failed needs you", run };
}

function ways(client: Client): Action[] {
  return client.list.get().views.map((view) => ({
    id: view.session_id,
    word: nameOf(view.title, view.project, view.tasks?.at(-1)?.content) || view.session_id,
    about: `${lastName(view.project)} · ${capital(view.status).toLowerCase()}`,
    group: "Sessions",
    run: () => goTo(client, view.session_id),
  }));
}

function goTo(client: Client, sessionId: string): void {
  client.places.go({ sessionId, seq: null });
}

function send(client: Client, desk: Desk, wish: Wish): void {
  desk.failure.set(null);
  client.send(wish).catch((error) => desk.failure.set(sentenceOf(error)));
}
