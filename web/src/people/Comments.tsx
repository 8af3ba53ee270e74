import { lazy, Suspense } from "react";
import type { SessionState } from "../store/session";
import { useThread } from "./threads";

const Thread = lazy(() => import("./Thread").then((module) => ({ default: module.Thread })));

export interface Place {
  state: SessionState;
  place: string;
  /** What a new remark is about, for the server. */
  target: { seq: number } | { step_id: string };
}

/** What people say to one thing, where there is something or it is asked for. */
export function Comments(props: Place) {
  const thread = useThread(props.place);
  if (!thread?.isShown) return null;
  return (
    <Suspense>
      <Thread {...props} />
    </Suspense>
  );
}
