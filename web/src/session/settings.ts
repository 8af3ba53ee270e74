/** A session's settings while they are changed: all as text, as fields have it. */
import type { SessionSettings } from "../protocol";

export const NUMBERS = [
  { name: "max_cost_usd", word: "USD", step: "0.01" },
  { name: "max_tokens", word: "Tokens", step: "1" },
  { name: "max_task_turns", word: "Model calls", step: "1" },
  { name: "max_seconds", word: "Seconds of work", step: "any" },
  { name: "max_turns", word: "Model calls of one phase", step: "1" },
  { name: "approval_timeout_seconds", word: "Seconds an approval may take", step: "any" },
] as const satisfies readonly { name: keyof SessionSettings; word: string; step: string }[];

/** Who can have a model of their own, beside the phases of the session's tasks. */
export const MODEL_USERS = ["research", "planning", "implementation", "expert", "delegate", "memory"];

export type NumberName = (typeof NUMBERS)[number]["name"];

export interface SettingsDraft {
  readonly model: string;
  readonly models: Readonly<Record<string, string>>;
  readonly approvals: string;
  readonly planGate: boolean | null;
  readonly testCommand: string;
  readonly numbers: Readonly<Record<NumberName, string>>;
}

export function settingsDraft(settings: SessionSettings): SettingsDraft {
  const numbers = Object.fromEntries(NUMBERS.map(({ name }) => [name, String(settings[name] ?? "")]));
  return {
    model: settings.model ?? "",
    models: settings.models ?? {},
    approvals: settings.approvals ?? "",
    planGate: settings.plan_gate ?? null,
    testCommand: settings.test_command ?? "",
    numbers: numbers as Record<NumberName, string>,
  };
}

/** Only what differs: the rest stays as it is. Nothing can be taken back to what the server says. */
export function changedSettings(before: SettingsDraft, now: SettingsDraft): SessionSettings {
  const models = Object.fromEntries(
    Object.entries(now.models)
      .map(([name, model]) => [name, model.trim()] as const)
      .filter(([name, model]) => model && model !== before.models[name]),
  );
  const numbers = Object.fromEntries(
    NUMBERS.filter(({ name }) => now.numbers[name] && now.numbers[name] !== before.numbers[name]).map(({ name }) => [
      name,
      Number(now.numbers[name]),
    ]),
  );
  return {
    ...(now.model.trim() && now.model.trim() !== before.model ? { model: now.model.trim() } : {}),
    ...(Object.keys(models).length ? { models } : {}),
    ...(now.approvals && now.approvals !== before.approvals
      ? { approvals: now.approvals as NonNullable<SessionSettings["approvals"]> }
      : {}),
    ...(now.planGate !== null && now.planGate !== before.planGate ? { plan_gate: now.planGate } : {}),
    ...(now.testCommand.trim() !== before.testCommand ? { test_command: now.testCommand.trim() } : {}),
    ...numbers,
  };
}
