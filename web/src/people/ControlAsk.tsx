import { Hand } from "lucide-react";
import { useAction } from "../page/hooks";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";

/** Tells the holder of control who asks for it; stays until it is given on, or let go. */
export function ControlAsk({ state }: { state: SessionState }) {
  const client = useClient();
  const me = useStore(client.me);
  const hand = useAction((user: string) => client.send({ type: "hand_over", session_id: state.sessionId, user }));
  if (state.holder !== me.user || !state.askedForControl.length) return null;
  return (
    <section aria-label="Control" className="mb-2 rounded-xl border border-warn bg-warn-soft px-4 py-2 text-sm">
      {state.askedForControl.map((user) => (
        <p key={user} className="flex flex-wrap items-center gap-2">
          <Hand size={15} className="text-warn" aria-hidden />
          <span className="grow">{user} asks you for control.</span>
          <button type="button" className="button" disabled={hand.busy} onClick={() => void hand.run(user)}>
            Hand over<span className="sr-only"> to {user}</span>
          </button>
        </p>
      ))}
      {hand.error && (
        <p role="alert" className="text-bad">
          {hand.error}
        </p>
      )}
    </section>
  );
}
