import { CircleAlert, CircleCheck, CircleStop, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { capital, cost, count, duration, plural } from "../page/format";
import { useAction, useRefusal } from "../page/hooks";
import type { PanelId } from "../panels/Panels";
import type { Event, TestRun } from "../protocol";
import { useClient } from "../store/client";
import type { EventItem } from "../store/session";
import { useStore } from "../store/store";
import { Markdown } from "../text/Markdown";
import { CheckpointLine, CheckpointMenu } from "./CheckpointLine";
import { EventLink } from "./EventLink";
import { noticeOf } from "./notices";
import { RecalledCard } from "./RecalledCard";

interface Props {
  item: EventItem;
  sessionId: string;
  onPanel: (panel: PanelId) => void;
}

/** An event that speaks for itself: a phase and what it handed over, an end, a notice. */
export function EventCard({ item, sessionId, onPanel }: Props) {
  const { event } = item;
  switch (event.type) {
    case "phase_started":
      return <PhaseLine event={event} />;
    case "research_complete":
      return (
        <Outcome title="Research" event={event}>
          <Markdown text={event.data.notes} />
          <Facts facts={event.data.key_facts} />
        </Outcome>
      );
    case "planning_complete": {
      const { plan } = event.data;
      return (
        <Outcome title="Plan" event={event} onOpen={() => onPanel("plan")} open="Open the plan">
          <Markdown text={plan.summary} />
          <ol className="mt-2 list-decimal pl-5 text-sm">
            {plan.steps.map((step) => (
              <li key={step.id}>{step.title}</li>
            ))}
          </ol>
        </Outcome>
      );
    }
    case "implementation_complete":
      return (
        <Outcome title="Implementation" event={event} onOpen={() => onPanel("changes")} open="Open the changes">
          <Markdown text={event.data.summary} />
          <p className="mt-2 text-sm text-muted">
            {plural(event.data.files_changed.length, "file")} changed{" "}
            <span className="text-good">+{event.data.diff_stat.additions ?? 0}</span>{" "}
            <span className="text-bad">−{event.data.diff_stat.deletions ?? 0}</span>
          </p>
          {event.data.tests && <Tests tests={event.data.tests} />}
        </Outcome>
      );
    case "task_completed":
      return <Completed event={event} onPanel={onPanel} />;
    case "task_failed":
      return <Failed event={event} sessionId={sessionId} />;
    case "checkpoint_created":
      return <CheckpointLine event={event} sessionId={sessionId} />;
    case "memory_recalled":
      return <RecalledCard event={event} onOpen={() => onPanel("memory")} />;
    default: {
      const notice = noticeOf(event);
      return notice && <Notice event={event} sessionId={sessionId} {...notice} />;
    }
  }
}

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

function PhaseLine({ event }: { event: Of<"phase_started"> }) {
  return (
    <div className="flex items-center gap-3 pt-4 pb-1">
      <h2 className="text-sm font-semibold">{capital(event.data.phase)}</h2>
      <span className="h-px grow bg-line" />
      <span className="truncate text-xs text-faint">{event.data.model.split(/[/\\]/).at(-1)}</span>
      <EventLink seq={event.seq} time={event.time} />
    </div>
  );
}

interface OutcomeProps {
  title: string;
  event: Event;
  children: ReactNode;
  open?: string;
  onOpen?: () => void;
}

/** What a phase hands over. */
function Outcome({ title, event, children, open, onOpen }: OutcomeProps) {
  return (
    <section className="card my-1 px-4 py-3 shadow-sm" aria-label={`${title}: result`}>
      <p className="mb-1.5 flex items-center gap-2 text-xs font-semibold text-accent">
        {title}: result <span className="grow" />
        <EventLink seq={event.seq} time={event.time} />
      </p>
      {children}
      {onOpen && (
        <button type="button" className="mt-2 min-h-7 text-sm font-medium text-accent hover:underline" onClick={onOpen}>
          {open}
        </button>
      )}
    </section>
  );
}

function Facts({ facts }: { facts: readonly string[] }) {
  if (!facts.length) return null;
  return (
    <ul className="mt-2 flex flex-wrap gap-1.5">
      {facts.map((fact) => (
        <li key={fact} className="rounded-md bg-raised px-2 py-0.5 text-xs text-muted">
          {fact}
        </li>
      ))}
    </ul>
  );
}

function Tests({ tests }: { tests: TestRun }) {
  const { summary } = tests;
  const counted = summary && [
    summary.passed !== null && summary.passed !== undefined && `${summary.passed} passed`,
    summary.failed && `${summary.failed} failed`,
    summary.errors && `${summary.errors} errors`,
    summary.skipped && `${summary.skipped} skipped`,
  ];
  return (
    <p className="mt-1 text-sm">
      <span className={tests.passed ? "text-good" : "text-bad"}>Tests {tests.passed ? "pass" : "fail"}</span>
      {counted && `: ${counted.filter(Boolean).join(", ")}`}{" "}
      <code className="font-mono text-xs text-faint">{tests.command}</code>
    </p>
  );
}

function Completed({ event, onPanel }: { event: Of<"task_completed">; onPanel: (panel: PanelId) => void }) {
  const { usage, tests } = event.data;
  const files = event.data.files_changed?.length ?? 0;
  const tokens = (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
  return (
    <section className="my-2 rounded-xl bg-good-soft px-4 py-3" aria-label="The task is done">
      <p className="flex items-center gap-2 font-medium text-good">
        <CircleCheck size={18} aria-hidden /> Done
        <span className="grow" />
        <EventLink seq={event.seq} time={event.time} />
      </p>
      <p className="mt-1 text-sm text-muted">
        {plural(usage.requests ?? 0, "model call")} · {count(tokens)} tokens · {cost(usage.cost_usd)} ·{" "}
        {duration((usage.seconds ?? 0) * 1000)} of work
      </p>
      {tests && <Tests tests={tests} />}
      {files > 0 && (
        <button type="button" className="button mt-2" onClick={() => onPanel("changes")}>
          Look at {plural(files, "changed file")}
        </button>
      )}
    </section>
  );
}

function Failed({ event, sessionId }: { event: Of<"task_failed">; sessionId: string }) {
  const client = useClient();
  const { error, phase } = event.data;
  const why = useRefusal(useStore(client.session(sessionId)), "steer");
  const retry = useAction(() => client.send({ type: "retry", session_id: sessionId, task_id: event.task_id ?? null }));
  return (
    <section className="my-2 rounded-xl bg-bad-soft px-4 py-3" aria-label="The task failed">
      <p className="flex items-center gap-2 font-medium text-bad">
        <CircleAlert size={18} aria-hidden /> Failed{phase && ` in ${phase}`}
        <span className="grow" />
        <EventLink seq={event.seq} time={event.time} />
      </p>
      <p className="mt-1 text-sm break-words">{error.message}</p>
      <p className="font-mono text-xs text-muted">{error.code}</p>
      <button
        type="button"
        className="button mt-2"
        title={why ?? undefined}
        disabled={retry.busy || why !== null}
        onClick={() => void retry.run()}
      >
        Try {phase ?? "it"} again
      </button>
      {retry.error && <p className="mt-1 text-sm text-bad">{retry.error}</p>}
    </section>
  );
}

const TONES = {
  plain: { icon: Info, look: "text-muted" },
  warn: { icon: TriangleAlert, look: "text-warn" },
  bad: { icon: CircleAlert, look: "text-bad" },
  stop: { icon: CircleStop, look: "text-muted" },
} as const;

export interface NoticeWords {
  tone: keyof typeof TONES;
  text: string;
}

function Notice({ event, sessionId, tone, text }: NoticeWords & { event: Event; sessionId: string }) {
  const { icon: Icon, look } = TONES[tone];
  return (
    <div className={`flex items-start gap-2 py-0.5 text-sm ${look}`}>
      <Icon size={15} className="mt-0.5 shrink-0" aria-hidden />
      <span className="min-w-0 grow break-words">{text}</span>
      {event.type === "workspace_created" && <CheckpointMenu seq={event.seq} sessionId={sessionId} />}
      <EventLink seq={event.seq} time={event.time} />
    </div>
  );
}
