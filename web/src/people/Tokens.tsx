import { Copy, Plus } from "lucide-react";
import { type FormEvent, useCallback, useEffect, useState } from "react";
import type { Role } from "../access";
import { sentenceOf } from "../failure";
import { createToken, listTokens, revokeToken } from "../http";
import { CopyWords } from "../page/CopyButton";
import { useAction } from "../page/hooks";
import type { CreatedToken, TokenView } from "../protocol";
import { RoleSelect } from "./RoleSelect";

const DAY_SECONDS = 86_400;
const EXPIRIES: { days: number | null; word: string }[] = [
  { days: 7, word: "7 days" },
  { days: 30, word: "30 days" },
  { days: 90, word: "90 days" },
  { days: 365, word: "a year" },
  { days: null, word: "no end" },
];

/** By which tokens people and programs come in: made, shown once, revoked. */
export function Tokens() {
  const [tokens, setTokens] = useState<readonly TokenView[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [created, setCreated] = useState<CreatedToken | null>(null);
  const load = useCallback(async () => {
    try {
      setTokens(await listTokens());
    } catch (failure) {
      setError(sentenceOf(failure));
    }
  }, []);
  useEffect(() => void load(), [load]);
  const made = (token: CreatedToken) => {
    setCreated(token);
    void load();
  };
  return (
    <>
      <p className="text-sm text-muted">
        A person signs in with one on this page, a program sends it. It is shown once: the server keeps no more than its
        hash.
      </p>
      <NewToken onMade={made} />
      {created && <Secret token={created} onClose={() => setCreated(null)} />}
      {error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {error}
        </p>
      )}
      {tokens && !tokens.length && <p className="mt-4 text-sm text-faint">There is none yet.</p>}
      <ul className="mt-4 grid gap-2" aria-label="Tokens">
        {tokens?.map((token) => (
          <Token key={token.token_id} token={token} onRevoked={load} />
        ))}
      </ul>
    </>
  );
}

function NewToken({ onMade }: { onMade: (token: CreatedToken) => void }) {
  const [user, setUser] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("editor");
  const [days, setDays] = useState("90");
  const make = useAction(async () => {
    const seconds = days ? Number(days) * DAY_SECONDS : null;
    onMade(await createToken({ user: user.trim(), role, name: name.trim() || null, expires_in_seconds: seconds }));
    setUser("");
    setName("");
  });
  return (
    <form
      aria-label="A new token"
      className="mt-3 grid gap-2 sm:grid-cols-2"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void make.run();
      }}
    >
      <label>
        <span className="label">User</span>
        <input
          className="field"
          value={user}
          required
          pattern="[^\s*]+"
          title="Without spaces and *"
          autoComplete="off"
          onChange={(event) => setUser(event.target.value)}
        />
      </label>
      <label>
        <span className="label">What it is for</span>
        <input className="field" value={name} autoComplete="off" onChange={(event) => setName(event.target.value)} />
      </label>
      <RoleSelect label="Role" value={role} onValue={setRole} />
      <label>
        <span className="label">Good for</span>
        <select className="field" value={days} onChange={(event) => setDays(event.target.value)}>
          {EXPIRIES.map((one) => (
            <option key={one.word} value={one.days ?? ""}>
              {one.word}
            </option>
          ))}
        </select>
      </label>
      {make.error && (
        <p role="alert" className="col-span-full text-sm text-bad">
          {make.error}
        </p>
      )}
      <button type="submit" className="button button-main w-fit" disabled={make.busy || !user.trim()}>
        <Plus size={15} aria-hidden /> Make a token
      </button>
    </form>
  );
}

function Secret({ token, onClose }: { token: CreatedToken; onClose: () => void }) {
  return (
    <div role="status" className="mt-3 rounded-lg bg-good-soft p-3 text-sm">
      <p className="font-medium text-good">The token of {token.user}. It is not shown again:</p>
      <code className="mt-1 block rounded bg-surface p-2 font-mono text-xs break-all select-all" data-secret>
        {token.token}
      </code>
      <div className="mt-2 flex gap-2">
        <CopyWords text={token.token}>
          <Copy size={15} aria-hidden /> Copy
        </CopyWords>
        <button type="button" className="button" onClick={onClose}>
          I have it
        </button>
      </div>
    </div>
  );
}

const date = (time: string) => new Date(time).toLocaleDateString([], { dateStyle: "medium" });

function Token({ token, onRevoked }: { token: TokenView; onRevoked: () => Promise<void> }) {
  const [sure, setSure] = useState(false);
  const revoke = useAction(async () => {
    await revokeToken(token.token_id);
    await onRevoked();
  });
  const ended = token.revoked_at
    ? `revoked ${date(token.revoked_at)}`
    : token.expires_at && Date.parse(token.expires_at) < Date.now()
      ? `expired ${date(token.expires_at)}`
      : null;
  return (
    <li className="flex flex-wrap items-center gap-2 border-t border-line pt-2">
      <div className="min-w-48 grow text-sm">
        <p className={ended ? "text-muted line-through" : ""}>
          <span className="font-medium">{token.user}</span> as {token.role}
          {token.name && <span className="text-muted"> · {token.name}</span>}
        </p>
        <p className="text-xs text-muted">
          made {date(token.created_at)} ·{" "}
          {ended ?? (token.expires_at ? `good until ${date(token.expires_at)}` : "without an end")} ·{" "}
          {token.last_used_at ? `last used ${date(token.last_used_at)}` : "never used"}
        </p>
        {revoke.error && (
          <p role="alert" className="text-sm text-bad">
            {revoke.error}
          </p>
        )}
      </div>
      {!ended && (
        <button
          type="button"
          className="button button-danger"
          disabled={revoke.busy}
          onBlur={() => setSure(false)}
          onClick={() => (sure ? void revoke.run() : setSure(true))}
        >
          {sure ? "Really revoke" : "Revoke"} <span className="sr-only">the token of {token.user}</span>
        </button>
      )}
    </li>
  );
}
