import { ROLES, type Role } from "../access";
import { ROLE_WORDS } from "./roles";

interface Props<T extends Role | null> {
  label: string;
  value: T;
  onValue: (role: T) => void;
  /** What `null` means, where it may be chosen. */
  none?: string;
  without?: readonly Role[];
  disabled?: boolean;
  hidden?: boolean;
}

export function RoleSelect<T extends Role | null>(props: Props<T>) {
  const { label, value, onValue, none, without = [], disabled = false, hidden = false } = props;
  return (
    <label>
      <span className={hidden ? "sr-only" : "label"}>{label}</span>
      <select
        className="field"
        value={value ?? ""}
        disabled={disabled}
        onChange={(event) => onValue((event.target.value || null) as T)}
      >
        {none !== undefined && <option value="">{none}</option>}
        {ROLES.filter((role) => !without.includes(role)).map((role) => (
          <option key={role} value={role} title={ROLE_WORDS[role]}>
            {role}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What each role may do. */
export function RoleWords() {
  return (
    <details className="mt-4 text-sm">
      <summary className="min-h-8 font-medium">What a role may do</summary>
      <dl className="mt-1 grid gap-1">
        {ROLES.map((role) => (
          <div key={role}>
            <dt className="inline font-medium">{role}</dt> <dd className="inline text-muted">{ROLE_WORDS[role]}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-1 text-xs text-muted">
        Everybody has a role by their token, and may have one in a session: the lower of both counts.
      </p>
    </details>
  );
}
