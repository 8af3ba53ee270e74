import { type FormEvent, useState } from "react";
import { Failure } from "../failure";
import { useAction } from "../page/hooks";
import type { MemoryEntry } from "../protocol";
import { useClient } from "../store/client";
import { DiffLines } from "../text/DiffLines";
import { compareTexts } from "../text/diff";
import type { Scope } from "./feed";
import { CONFIDENCES, KINDS, tagsOf } from "./words";

interface Typed {
  readonly kind: MemoryEntry["kind"];
  readonly content: string;
  readonly tags: string;
  readonly confidence: (typeof CONFIDENCES)[number];
  readonly path: string;
}

const typedOf = (entry: MemoryEntry | null): Typed => ({
  kind: entry?.kind ?? "key_fact",
  content: entry?.content ?? "",
  tags: entry?.tags?.join(" ") ?? "",
  confidence: entry?.confidence ?? (entry ? "likely" : "certain"),
  path: "",
});

interface Common {
  sessionId: string;
  onDone: () => void;
}

/** A new entry of a memory. */
export function NewEntry({ sessionId, scope, onDone }: Common & { scope: Scope }) {
  const client = useClient();
  const [typed, setTyped] = useState(typedOf(null));
  const save = useAction(async () => {
    const { kind, content, tags, confidence, path } = typed;
    const place = path.trim() ? { place: { path: path.trim() } } : {};
    const entry = { kind, content: content.trim(), tags: tagsOf(tags), confidence, ...place };
    await client.send({ type: "remember", session_id: sessionId, scope, ...entry });
    onDone();
  });
  return (
    <Form
      label="A new entry"
      typed={typed}
      onTyped={setTyped}
      save={save}
      word="Add"
      onCancel={onDone}
      withPath={scope === "project"}
    />
  );
}

/**
 * Changes an entry. `entry` is as it is now: where somebody has changed it since the person began to write, both are shown, and what was
 * typed stays.
 */
export function ChangeEntry({ entry, sessionId, onDone }: Common & { entry: MemoryEntry }) {
  const client = useClient();
  const [base, setBase] = useState(entry);
  const [typed, setTyped] = useState(typedOf(entry));
  const [refused, setRefused] = useState<MemoryEntry | null>(null);
  const now = [entry, refused].reduce((newest, one) => (one && newest && one.version > newest.version ? one : newest));
  const theirs = now && now.version > base.version ? now : null;
  const save = useAction(async () => {
    const { kind, content, tags, confidence } = typed;
    const edit = { kind, content: content.trim(), tags: tagsOf(tags), confidence };
    const about = { session_id: sessionId, memory_id: entry.memory_id, version: (theirs ?? base).version };
    try {
      await client.send({ type: "update_memory", ...about, ...edit });
      onDone();
    } catch (error) {
      if (!(error instanceof Failure && error.code === "conflict" && error.details.current)) throw error;
      setRefused(error.details.current as MemoryEntry);
    }
  });
  const takeTheirs = () => {
    if (!theirs) return;
    setBase(theirs);
    setTyped(typedOf(theirs));
  };
  return (
    <Form
      label="Change the entry"
      typed={typed}
      onTyped={setTyped}
      save={save}
      word={theirs ? "Save mine in its place" : "Save"}
      onCancel={onDone}
    >
      {theirs && (
        <div role="alert" className="rounded-lg bg-warn-soft p-2 text-sm">
          <p className="font-medium text-warn">
            Somebody has changed this meanwhile. It says now (version {theirs.version}):
          </p>
          <p className="mt-1 rounded bg-surface p-2 break-words whitespace-pre-wrap" data-theirs>
            {theirs.content}
          </p>
          <p className="mt-2 text-xs text-muted">From that to yours:</p>
          <DiffLines lines={compareTexts(theirs.content, typed.content)} label="From theirs to yours" />
          <button type="button" className="button mt-1" onClick={takeTheirs}>
            Take theirs
          </button>
        </div>
      )}
    </Form>
  );
}

interface FormProps {
  label: string;
  typed: Typed;
  onTyped: (typed: Typed) => void;
  save: ReturnType<typeof useAction>;
  word: string;
  onCancel: () => void;
  withPath?: boolean;
  children?: React.ReactNode;
}

function Form({ label, typed, onTyped, save, word, onCancel, withPath = false, children }: FormProps) {
  const change = (part: Partial<Typed>) => onTyped({ ...typed, ...part });
  return (
    <form
      aria-label={label}
      className="grid gap-2"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void save.run();
      }}
      onKeyDown={(event) => event.key === "Escape" && onCancel()}
    >
      {children}
      <label>
        <span className="label">What is to be known</span>
        <textarea
          className="field field-sizing-content max-h-80 min-h-20"
          value={typed.content}
          maxLength={8000}
          required
          autoFocus
          onChange={(event) => change({ content: event.target.value })}
        />
      </label>
      <div className="grid grid-cols-2 gap-2">
        <Choice
          label="Kind"
          value={typed.kind}
          options={Object.entries(KINDS)}
          onValue={(kind) => change({ kind: kind as Typed["kind"] })}
        />
        <Choice
          label="How sure"
          value={typed.confidence}
          options={CONFIDENCES.map((one) => [one, one])}
          onValue={(confidence) => change({ confidence: confidence as Typed["confidence"] })}
        />
        <Line label="Tags" value={typed.tags} onValue={(tags) => change({ tags })} />
        {withPath && <Line label="About the file" value={typed.path} onValue={(path) => change({ path })} />}
      </div>
      {save.error && (
        <p role="alert" className="text-sm text-bad">
          {save.error}
        </p>
      )}
      <div className="flex gap-2">
        <button type="submit" className="button button-main" disabled={save.busy || !typed.content.trim()}>
          {word}
        </button>
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

interface LineProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
}

function Line({ label, value, onValue }: LineProps) {
  return (
    <label>
      <span className="label">{label}</span>
      <input className="field" value={value} onChange={(event) => onValue(event.target.value)} />
    </label>
  );
}

function Choice({ label, value, options, onValue }: LineProps & { options: [string, string][] }) {
  return (
    <label>
      <span className="label">{label}</span>
      <select className="field" value={value} onChange={(event) => onValue(event.target.value)}>
        {options.map(([key, word]) => (
          <option key={key} value={key}>
            {word}
          </option>
        ))}
      </select>
    </label>
  );
}
