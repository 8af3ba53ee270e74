import { roleIn } from "../access";
import { Dialog } from "../page/Dialog";
import { useAction, useRefusal } from "../page/hooks";
import type { PersonHere } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { lookOf, mainArgument } from "../timeline/tools";
import { Avatar } from "./Avatar";
import { EVERYBODY } from "./roles";

const WORDS: Record<PersonHere["status"] | "gone", string> = {
  watching: "here",
  typing: "typing",
  away: "in another window",
  gone: "not here",
};

interface Props {
  state: SessionState;
  onClose: () => void;
}

/** Who is here, who steers, and whose approvals go on for the session. */
export function PeopleDialog({ state, onClose }: Props) {
  return (
    <Dialog title="People in this session" onClose={onClose}>
      <Control state={state} />
      <Approvals state={state} />
    </Dialog>
  );
}

function Control({ state }: { state: SessionState }) {
  const client = useClient();
  const me = useStore(client.me);
  const here = new Map(useStore(client.here).map((person) => [person.user, person.status]));
  const why = useRefusal(state, "edit");
  const { sessionId: session_id, holder, askedForControl: asking } = state;
  const isOwner = roleIn(state.members, me) === "owner";
  const gives = holder !== null && (holder === me.user || isOwner);
  const request = useAction(() => client.send({ type: "request_control", session_id }));
  const hand = useAction((user: string) => client.send({ type: "hand_over", session_id, user }));
  const release = useAction(() => client.send({ type: "release_control", session_id }));
  const names = new Set([...here.keys(), ...state.members.keys(), ...(holder === null ? [] : [holder])]);
  names.delete(EVERYBODY);
  const error = request.error ?? hand.error ?? release.error;
  const asked = asking.includes(me.user);
  return (
    <>
      <ul className="grid gap-1" aria-label="People">
        {[...names].sort().map((user) => (
          <li key={user} className="flex min-h-9 flex-wrap items-center gap-2 text-sm">
            <Avatar user={user} status={here.get(user) ?? "away"} />
            <span className="grow break-all">
              {user} {user === me.user && <span className="text-muted">(you)</span>}
              <span className="block text-xs text-muted">
                {WORDS[here.get(user) ?? "gone"]}
                {user === holder && ", holds control"}
                {asking.includes(user) && ", asks for control"}
              </span>
            </span>
            {gives && user !== holder && user !== me.user && (
              <button
                type="button"
                className="button"
                disabled={why !== null || hand.busy}
                onClick={() => void hand.run(user)}
              >
                Hand over<span className="sr-only"> to {user}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      <p className="mt-3 text-sm text-muted">
        {holder === null
          ? "Nobody holds control: all who may edit steer the tasks."
          : `${holder === me.user ? "You hold" : `${holder} holds`} control: nobody else steers the tasks but the session's owners.`}
      </p>
      {why && <p className="mt-1 text-sm text-muted">{why}</p>}
      <div className="mt-2 flex flex-wrap gap-2">
        {holder === null || (isOwner && holder !== me.user) ? (
          <button
            type="button"
            className="button"
            disabled={why !== null || request.busy || hand.busy}
            onClick={() => void (holder === null ? request.run() : hand.run(me.user))}
          >
            Take control
          </button>
        ) : (
          holder !== me.user && (
            <button
              type="button"
              className="button"
              disabled={why !== null || request.busy || asked}
              onClick={() => void request.run()}
            >
              {asked ? `${holder} is asked` : "Ask for control"}
            </button>
          )
        )}
        {gives && (
          <button
            type="button"
            className="button"
            disabled={why !== null || release.busy}
            onClick={() => void release.run()}
          >
            Release control
          </button>
        )}
      </div>
      {error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {error}
        </p>
      )}
    </>
  );
}

/** What is not asked again in this session, as far as the timeline is loaded, and the way to have it asked again. */
function Approvals({ state }: { state: SessionState }) {
  const client = useClient();
  const me = useStore(client.me);
  const why = useRefusal(state, "decide");
  const isOwner = roleIn(state.members, me) === "owner";
  const revoke = useAction((user: string) =>
    client.send({ type: "revoke_approvals", session_id: state.sessionId, user }),
  );
  const given = new Map<string, Set<string>>();
  for (const item of state.items) {
    if (item.kind !== "tool" || item.decision?.decision !== "approve_for_session" || item.decision.withdrawn) continue;
    const words = `${lookOf(item.tool).word} ${mainArgument(item.tool, item.arguments)}`.trim();
    given.set(item.decision.by, (given.get(item.decision.by) ?? new Set()).add(words));
  }
  if (!given.size) return null;
  return (
    <section aria-label="Approved for the session" className="mt-4 border-t border-line pt-3">
      <h3 className="text-sm font-semibold">Approved for the session</h3>
      <ul className="mt-1 grid gap-2">
        {[...given].map(([user, words]) => (
          <li key={user} className="flex flex-wrap items-start gap-2 text-sm">
            <span className="min-w-0 grow">
              {user}
              <span className="block font-mono text-xs break-all text-muted">{[...words].join("; ")}</span>
            </span>
            {(user === me.user || isOwner) && (
              <button
                type="button"
                className="button"
                title={why ?? "Ask again from the next turn on"}
                disabled={why !== null || revoke.busy}
                onClick={() => void revoke.run(user)}
              >
                Withdraw<span className="sr-only"> what {user} approved</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {revoke.error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {revoke.error}
        </p>
      )}
    </section>
  );
}
