import { type FormEvent, useState } from "react";
import { APPROVALS } from "../composer/TaskOptions";
import { Dialog, DialogAnswers } from "../page/Dialog";
import { capital } from "../page/format";
import { useAction, useRefusal } from "../page/hooks";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { changedSettings, MODEL_USERS, NUMBERS, settingsDraft } from "./settings";

/** What the session chooses, for its tasks that run too: from their next turn on. */
export function SettingsDialog({ state, onClose }: { state: SessionState; onClose: () => void }) {
  const client = useClient();
  const why = useRefusal(state, "steer");
  const whyNotLess = useRefusal(state, "decide");
  const [before] = useState(() => settingsDraft(state.settings));
  const [draft, setDraft] = useState(before);
  const change = (part: Partial<typeof draft>) => setDraft({ ...draft, ...part });
  const settings = changedSettings(before, draft);
  const save = useAction(async () => {
    await client.send({ type: "update_settings", session_id: state.sessionId, settings });
    onClose();
  });
  const users = [
    ...new Set([...state.tasks.flatMap((task) => task.phases.map((phase) => phase.name)), ...MODEL_USERS]),
  ];
  const strictness = (approvals: string) => APPROVALS.findIndex((one) => one.value === approvals);
  const isLess = (approvals: string) => before.approvals !== "" && strictness(approvals) < strictness(before.approvals);
  return (
    <Dialog title="Settings of the session" onClose={onClose}>
      <form
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          void save.run();
        }}
      >
        <p className="text-sm text-muted">
          In force from the next turn on, also for a task that runs. Where a field is empty, the server's own settings
          count; what was chosen once can be changed, not taken away.
        </p>
        <fieldset disabled={why !== null} className="grid gap-4">
          <Group title="Models">
            <Field
              label="For all phases"
              value={draft.model}
              had={before.model}
              onValue={(model) => change({ model })}
            />
            {users.map((name) => (
              <Field
                key={name}
                label={capital(name)}
                value={draft.models[name] ?? ""}
                had={before.models[name] ?? ""}
                onValue={(model) => change({ models: { ...draft.models, [name]: model } })}
              />
            ))}
          </Group>
          <Group title="Asking people">
            <label>
              <span className="label">Approvals</span>
              <select
                className="field"
                value={draft.approvals}
                onChange={(event) => change({ approvals: event.target.value })}
              >
                {APPROVALS.filter(({ value }) => value !== "" || before.approvals === "").map(({ value, word }) => (
                  <option key={value} value={value} disabled={whyNotLess !== null && isLess(value)}>
                    {word}
                  </option>
                ))}
              </select>
            </label>
            <label className="flex items-center gap-2 self-end py-2 text-sm">
              <input
                type="checkbox"
                className="size-4 accent-fill"
                checked={draft.planGate ?? false}
                disabled={whyNotLess !== null && before.planGate === true}
                onChange={(event) => change({ planGate: event.target.checked })}
              />
              Show plans before they are followed
            </label>
            {whyNotLess && <p className="col-span-full text-xs text-muted">To have people asked less: {whyNotLess}</p>}
          </Group>
          <Group title="Limits of one task">
            {NUMBERS.map(({ name, word, step }) => (
              <Field
                key={name}
                label={word}
                step={step}
                value={draft.numbers[name]}
                had={before.numbers[name]}
                onValue={(value) => change({ numbers: { ...draft.numbers, [name]: value } })}
              />
            ))}
          </Group>
          <Group title="Tests">
            <Field
              label="Command"
              placeholder="Found in the project"
              value={draft.testCommand}
              had=""
              onValue={(testCommand) => change({ testCommand })}
            />
          </Group>
        </fieldset>
        {why && <p className="mt-3 text-sm text-muted">{why}</p>}
        <DialogAnswers error={save.error}>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            className="button button-main"
            disabled={why !== null || save.busy || !Object.keys(settings).length}
          >
            Save
          </button>
        </DialogAnswers>
      </form>
    </Dialog>
  );
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section aria-label={title} className="mt-4">
      <h3 className="mb-2 text-sm font-semibold">{title}</h3>
      <div className="grid gap-3 sm:grid-cols-2">{children}</div>
    </section>
  );
}

interface FieldProps {
  label: string;
  value: string;
  /** What it was; what was chosen once cannot be empty again. */
  had: string;
  onValue: (value: string) => void;
  step?: string;
  placeholder?: string;
}

function Field({ label, value, had, onValue, step, placeholder = "As the server says" }: FieldProps) {
  return (
    <label>
      <span className="label">{label}</span>
      <input
        className="field"
        {...(step ? { type: "number", min: step === "1" ? "1" : "0.01", step } : {})}
        required={had !== ""}
        value={value}
        placeholder={placeholder}
        onChange={(event) => onValue(event.target.value)}
      />
    </label>
  );
}
