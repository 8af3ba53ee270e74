/** What this page says of its person: that they type, look, or have gone elsewhere. */
import { useEffect } from "react";
import type { SetPresence } from "../protocol";
import { useClient } from "../store/client";

type Status = SetPresence["status"];

/** Typing is to be said again before the server forgets it, after 6 seconds, and not at each key. */
const AGAIN_MS = 3000;

/** Whoever writes into a text of the session's page types; whoever looks at another window is away. */
export function useTellPresence(sessionId: string): void {
  const client = useClient();
  useEffect(() => {
    let told: Status = "watching";
    let typedAt = 0;
    const tell = (status: Status) => {
      told = status;
      if (client.status.get().kind !== "open") return;
      // It says nothing that has to be known: what is lost here is told with the next change.
      client.send({ type: "set_presence", session_id: sessionId, status }).catch(() => {});
    };
    const onInput = ({ target }: globalThis.Event) => {
      if (!(target instanceof HTMLTextAreaElement)) return;
      if (!target.value) return void (told === "typing" && onSent());
      if (told === "typing" && performance.now() - typedAt < AGAIN_MS) return;
      typedAt = performance.now();
      tell("typing");
    };
    const onSent = () => tell("watching");
    const onVisible = () => tell(document.hidden ? "away" : "watching");
    // After the connection was lost the server takes everybody to be watching.
    const unwatch = client.status.watch(() => document.hidden && client.status.get().kind === "open" && tell("away"));
    document.addEventListener("input", onInput);
    document.addEventListener("submit", onSent);
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      unwatch();
      document.removeEventListener("input", onInput);
      document.removeEventListener("submit", onSent);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [client, sessionId]);
}
