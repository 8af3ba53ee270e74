/** Which session and event the address names. Every session and every event has an address of its own. */
import { Store } from "./store/store";

export interface Place {
  sessionId: string | null;
  /** The event to look at. */
  seq: number | null;
  /** The page of what is of no session. */
  settings?: boolean;
}

export function parsePlace(path: string): Place {
  if (path === "/settings") return { sessionId: null, seq: null, settings: true };
  const found = /^\/sessions\/([^/]+)(?:\/events\/(\d+))?\/?$/.exec(path);
  return { sessionId: found?.[1] ? decodeURIComponent(found[1]) : null, seq: found?.[2] ? Number(found[2]) : null };
}

export function pathOf(place: Place): string {
  if (!place.sessionId) return place.settings ? "/settings" : "/";
  const session = `/sessions/${encodeURIComponent(place.sessionId)}`;
  return place.seq === null ? session : `${session}/events/${place.seq}`;
}

export class Places extends Store<Place> {
  constructor() {
    super(parsePlace(location.pathname));
    addEventListener("popstate", () => this.set(parsePlace(location.pathname)));
  }

  go(place: Place): void {
    const path = pathOf(place);
    if (path !== location.pathname + location.search) history.pushState(null, "", path);
    this.set(place);
  }
}
