/** Tells of what changed in the list of sessions while the page is not seen. */
import { useEffect } from "react";
import { useClient } from "../store/client";
import { newsOf, notify, notifying } from "./notifications";

export function useNotifications(): void {
  const client = useClient();
  useEffect(() => {
    let before = client.list.get();
    return client.list.watch(() => {
      const now = client.list.get();
      const news = before.loaded && now.loaded ? newsOf(before.views, now.views) : [];
      before = now;
      if (!document.hidden || !notifying.get()) return;
      for (const one of news) notify(one, () => client.places.go({ sessionId: one.sessionId, seq: null }));
    });
  }, [client]);
}
