import type { SessionView } from "../protocol";
import type { StepStatus, Task } from "../store/session";

type Known = SessionView["status"] | Task["status"] | StepStatus;

const LOOKS: Record<Known, { word: string; look: string; dot?: boolean }> = {
  idle: { word: "Idle", look: "bg-raised text-muted" },
  queued: { word: "Queued", look: "bg-raised text-muted" },
  running: { word: "Running", look: "bg-accent-soft text-accent", dot: true },
  needs_you: { word: "Needs you", look: "bg-warn-soft text-warn", dot: true },
  paused: { word: "Paused", look: "bg-warn-soft text-warn" },
  completed: { word: "Done", look: "bg-good-soft text-good" },
  failed: { word: "Failed", look: "bg-bad-soft text-bad" },
  cancelled: { word: "Cancelled", look: "bg-raised text-muted" },
  pending: { word: "To do", look: "bg-raised text-muted" },
  done: { word: "Done", look: "bg-good-soft text-good" },
  skipped: { word: "Skipped", look: "bg-raised text-muted" },
};

export function Status({ status }: { status: Known }) {
  const { word, look, dot } = LOOKS[status];
  return (
    <span className={`chip ${look}`}>
      {dot && <span className="pulse size-1.5 rounded-full bg-current" aria-hidden="true" />}
      {word}
    </span>
  );
}
