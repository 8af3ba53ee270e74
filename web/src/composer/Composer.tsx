import { ArrowUp } from "lucide-react";
import type { FormEvent } from "react";
import { type Action, useAction } from "../page/hooks";
import { Segments } from "../page/Segments";
import type { SessionState } from "../store/session";
import { CompletingArea } from "./CompletingArea";
import { type Draft, emptyDraft, type NewTask, taskOf } from "./draft";
import { TaskOptions } from "./TaskOptions";
import { TextArea } from "./TextArea";

interface Props {
  draft: Draft;
  onDraft: (draft: Draft) => void;
  /** Raises `Failure`. */
  onStart: (start: { project: string; task: NewTask }) => Promise<void>;
  /** Also ask in which project. */
  withProject?: boolean;
  autoFocus?: boolean;
  /** The one that it is for: its commands and its files are offered. */
  session?: SessionState;
  /** Whether a text was a command, which is done then. Raises `Failure`. */
  onCommand?: (text: string) => Promise<boolean>;
}

const MODES: { value: Draft["mode"]; word: string; about: string }[] = [
  { value: "full", word: "Do it", about: "Research, plan and implementation" },
  { value: "plan", word: "Plan only", about: "Research and a plan; nothing is changed" },
  { value: "research", word: "Research only", about: "An answer; nothing is changed" },
];

/** Writes a task and gives it. */
export function Composer({
  draft,
  onDraft,
  onStart,
  withProject = false,
  autoFocus = false,
  session,
  onCommand,
}: Props) {
  const change = (part: Partial<Draft>) => onDraft({ ...draft, ...part });
  const action = useAction(async () => {
    if (!(await onCommand?.(draft.content))) await onStart({ project: draft.project.trim(), task: taskOf(draft) });
    onDraft({ ...draft, content: emptyDraft.content });
  });
  const submit = () => draft.content.trim() && !action.busy && void action.run();
  const area = {
    label: "Your task",
    value: draft.content,
    onValue: (content: string) => change({ content }),
    onSend: submit,
  };
  return (
    <form
      className="card p-3 shadow-sm"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit();
      }}
    >
      {session ? (
        <CompletingArea {...area} placeholder="Describe the task, / for commands, @ for a file …" state={session} />
      ) : (
        <TextArea {...area} placeholder="Describe the task …" autoFocus={autoFocus} />
      )}
      <div className="mt-2 flex flex-wrap items-center gap-2">
        <Segments label="How far to go" options={MODES} chosen={draft.mode} onChoose={(mode) => change({ mode })} />
        <TaskOptions draft={draft} onChange={change} withProject={withProject} />
        <SendButton label="Start the task" action={action} empty={!draft.content.trim()} />
      </div>
      <ActionError action={action} />
    </form>
  );
}

export function SendButton({ label, action, empty }: { label: string; action: Action; empty: boolean }) {
  return (
    <button
      type="submit"
      data-send
      className="button button-main button-icon ml-auto rounded-full"
      aria-label={label}
      title={label}
      disabled={action.busy || empty}
    >
      <ArrowUp size={18} aria-hidden />
    </button>
  );
}

export function ActionError({ action }: { action: Action }) {
  if (!action.error) return null;
  return (
    <p role="alert" className="mt-2 text-sm text-bad">
      {action.error}
    </p>
  );
}
