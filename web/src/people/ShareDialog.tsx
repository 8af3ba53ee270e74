import { Link, Users } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { Role } from "../access";
import { pathOf } from "../location";
import { CopyWords } from "../page/CopyButton";
import { Dialog } from "../page/Dialog";
import { useAction, useRefusal } from "../page/hooks";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { RoleSelect, RoleWords } from "./RoleSelect";
import { EVERYBODY } from "./roles";

const AS_TOKEN = "as their token says";

/** Who may see the session, and do what in it. */
export function ShareDialog({ state, onClose }: { state: SessionState; onClose: () => void }) {
  const why = useRefusal(state, "manage");
  const members = [...state.members].sort(([one], [other]) => one.localeCompare(other));
  return (
    <Dialog title="Share the session" onClose={onClose}>
      <p className="flex flex-wrap items-center gap-2 text-sm text-muted">
        <span className="grow">Only its members see it, and the server's owners.</span>
        <CopyWords text={location.origin + pathOf({ sessionId: state.sessionId, seq: null })}>
          <Link size={15} aria-hidden /> Copy the link
        </CopyWords>
      </p>
      {why && <p className="mt-3 rounded-lg bg-raised p-2 text-sm text-muted">To change members: {why}</p>}
      <ul className="mt-3 grid gap-1" aria-label="Members">
        {members.map(([user, role]) => (
          <Member key={user} user={user} role={role} state={state} why={why} />
        ))}
      </ul>
      {!why && <NewMember state={state} />}
      <RoleWords />
    </Dialog>
  );
}

interface MemberProps {
  user: string;
  role: Role | null;
  state: SessionState;
  why: string | null;
}

function Member({ user, role, state, why }: MemberProps) {
  const client = useClient();
  const me = useStore(client.me);
  const [sure, setSure] = useState(false);
  const about = { session_id: state.sessionId, user };
  const change = useAction((next: Role | null) => client.send({ type: "set_role", ...about, role: next }));
  const remove = useAction(() => client.send({ type: "remove_member", ...about }));
  const name = user === EVERYBODY ? "Everybody on this server" : user;
  const isMe = user === me.user;
  const error = change.error ?? remove.error;
  return (
    <li>
      <div className="flex flex-wrap items-center gap-2 py-1">
        <span className="flex min-w-32 grow items-center gap-2 text-sm break-all">
          {user === EVERYBODY && <Users size={15} aria-hidden />}
          {name} {isMe && <span className="text-muted">(you)</span>}
        </span>
        <RoleSelect
          label={`Role of ${name}`}
          hidden
          value={role}
          none={AS_TOKEN}
          without={user === EVERYBODY ? ["owner"] : []}
          disabled={why !== null || change.busy}
          onValue={(next) => void change.run(next)}
        />
        <button
          type="button"
          className={`button ${sure ? "button-danger" : ""}`}
          disabled={(why !== null && !isMe) || remove.busy}
          title={why !== null && !isMe ? why : undefined}
          onBlur={() => setSure(false)}
          onClick={() => (sure ? void remove.run() : setSure(true))}
        >
          {sure ? "Really" : isMe ? "Leave" : "Remove"}
          <span className="sr-only"> {name}</span>
        </button>
      </div>
      {error && (
        <p role="alert" className="text-sm text-bad">
          {error}
        </p>
      )}
    </li>
  );
}

function NewMember({ state }: { state: SessionState }) {
  const client = useClient();
  const [user, setUser] = useState("");
  const [role, setRole] = useState<Role | null>(null);
  const add = useAction(async (name: string, as: Role | null) => {
    await client.send({ type: "add_member", session_id: state.sessionId, user: name, role: as });
    setUser("");
  });
  return (
    <form
      className="mt-3 border-t border-line pt-3"
      aria-label="A new member"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void add.run(user.trim(), role);
      }}
    >
      <div className="flex flex-wrap items-end gap-2">
        <label className="min-w-40 grow">
          <span className="label">User</span>
          <input
            className="field"
            value={user}
            required
            placeholder="As in their token"
            autoComplete="off"
            onChange={(event) => setUser(event.target.value)}
          />
        </label>
        <RoleSelect label="Role" value={role} none={AS_TOKEN} onValue={setRole} />
        <button type="submit" className="button button-main" disabled={add.busy || !user.trim()}>
          Add
        </button>
      </div>
      {!state.members.has(EVERYBODY) && (
        <button
          type="button"
          className="button mt-2"
          disabled={add.busy}
          onClick={() => void add.run(EVERYBODY, role === "owner" ? null : role)}
        >
          <Users size={15} aria-hidden /> Share with everybody on this server
        </button>
      )}
      {add.error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {add.error}
        </p>
      )}
    </form>
  );
}
