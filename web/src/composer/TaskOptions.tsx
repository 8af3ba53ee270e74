import { SlidersHorizontal } from "lucide-react";
import { useId, useState } from "react";
import type { Draft } from "./draft";

interface Props {
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
  withProject: boolean;
}

/** The least first. */
export const APPROVALS: { value: Draft["approvals"]; word: string }[] = [
  { value: "", word: "As the server is set up" },
  { value: "never", word: "Never ask" },
  { value: "on_request", word: "Ask where there is no sandbox" },
  { value: "untrusted", word: "Ask for commands not known to be harmless" },
  { value: "always", word: "Ask for all that can change something" },
];

/** What can be chosen for one task. */
export function TaskOptions({ draft, onChange, withProject }: Props) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const chosen = [draft.model, draft.maxCost, draft.approvals, draft.testCommand, draft.planGate, draft.project].filter(
    Boolean,
  ).length;
  return (
    <>
      <button
        type="button"
        className="button button-quiet"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <SlidersHorizontal size={15} aria-hidden /> Options{chosen > 0 && ` (${chosen})`}
      </button>
      {open && (
        <div id={id} className="order-last grid w-full gap-3 border-t border-line pt-3 sm:grid-cols-2">
          {withProject && (
            <Field
              label="Project (a directory of the server)"
              value={draft.project}
              placeholder="The server's own"
              onValue={(project) => onChange({ project })}
            />
          )}
          <Field
            label="Model"
            value={draft.model}
            placeholder="PROVIDER:NAME"
            onValue={(model) => onChange({ model })}
          />
          <Field
            label="Budget in USD"
            type="number"
            value={draft.maxCost}
            placeholder="No limit of its own"
            onValue={(maxCost) => onChange({ maxCost })}
          />
          <Field
            label="Test command"
            value={draft.testCommand}
            placeholder="Found in the project"
            onValue={(testCommand) => onChange({ testCommand })}
          />
          <label>
            <span className="label">Approvals</span>
            <select
              className="field"
              value={draft.approvals}
              onChange={(event) => onChange({ approvals: event.target.value as Draft["approvals"] })}
            >
              {APPROVALS.map(({ value, word }) => (
                <option key={value} value={value}>
                  {word}
                </option>
              ))}
            </select>
          </label>
          <label className="flex items-center gap-2 self-end py-2 text-sm">
            <input
              type="checkbox"
              className="size-4 accent-fill"
              checked={draft.planGate}
              onChange={(event) => onChange({ planGate: event.target.checked })}
            />
            Show me the plan before it is followed
          </label>
        </div>
      )}
    </>
  );
}

interface FieldProps {
  label: string;
  value: string;
  placeholder: string;
  onValue: (value: string) => void;
  type?: "text" | "number";
}

function Field({ label, value, placeholder, onValue, type = "text" }: FieldProps) {
  const numbers = type === "number" ? { min: "0.01", step: "0.01" } : {};
  return (
    <label>
      <span className="label">{label}</span>
      <input
        className="field"
        type={type}
        {...numbers}
        value={value}
        placeholder={placeholder}
        onChange={(event) => onValue(event.target.value)}
      />
    </label>
  );
}
