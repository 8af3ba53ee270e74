import { type FormEvent, useState } from "react";
import { Failure } from "../failure";
import { deleteSession, forkSession, renameSession } from "../http";
import { Dialog, DialogAnswers } from "../page/Dialog";
import type { SessionDialog } from "../page/dialogs";
import { plural } from "../page/format";
import { useAction } from "../page/hooks";
import { PeopleDialog } from "../people/PeopleDialog";
import { ShareDialog } from "../people/ShareDialog";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { ExportDialog } from "./ExportDialog";
import { SettingsDialog } from "./SettingsDialog";
import { undoneBy } from "./undone";

interface Props {
  dialog: SessionDialog;
  state: SessionState;
  onClose: () => void;
}

export function SessionDialogs({ dialog, state, onClose }: Props) {
  switch (dialog.kind) {
    case "rewind":
      return <RewindDialog state={state} seq={dialog.seq} onClose={onClose} />;
    case "fork":
      return <ForkDialog state={state} seq={dialog.seq} onClose={onClose} />;
    case "rename":
      return <RenameDialog state={state} onClose={onClose} />;
    case "settings":
      return <SettingsDialog state={state} onClose={onClose} />;
    case "share":
      return <ShareDialog state={state} onClose={onClose} />;
    case "people":
      return <PeopleDialog state={state} onClose={onClose} />;
    case "export":
      return <ExportDialog state={state} onClose={onClose} />;
    case "delete":
      return <DeleteDialog state={state} onClose={onClose} />;
    default: {
      const unknown: never = dialog;
      return unknown;
    }
  }
}

type Common = Omit<Props, "dialog">;

function Names({ names, label }: { names: readonly string[]; label: string }) {
  return (
    <ul
      className="scroller mt-1 max-h-40 rounded-lg bg-raised px-3 py-2 font-mono text-xs"
      tabIndex={0}
      aria-label={label}
    >
      {names.map((name) => (
        <li key={name} className="break-all">
          {name}
        </li>
      ))}
    </ul>
  );
}

function RewindDialog({ state, seq, onClose }: Common & { seq: number }) {
  const client = useClient();
  const { files, tasks, messages, calls } = undoneBy(state, seq);
  const rewind = useAction(async () => {
    await client.send({ type: "rewind", session_id: state.sessionId, to_seq: seq });
    onClose();
  });
  return (
    <Dialog title={`Rewind to event ${seq}?`} onClose={onClose}>
      <p className="text-sm text-muted">
        Files and conversation will be as they were there. The timeline keeps what is taken back, crossed out, and you
        can rewind into it again.
      </p>
      <div className="mt-3 text-sm" data-undone>
        {files.length ? (
          <>
            {plural(files.length, "file is", "files are")} set back:
            <Names names={files} label="Files that are set back" />
          </>
        ) : (
          "No file is changed by it."
        )}
        <p className="mt-2">
          Taken back: {tasks.length > 0 && `${plural(tasks.length, "task")}, `}
          {plural(messages, "message")}, {plural(calls, "tool call")}.
        </p>
        {tasks.length > 0 && <Names names={tasks} label="Tasks that are taken back" />}
      </div>
      <DialogAnswers error={rewind.error}>
        <button type="button" className="button" onClick={onClose}>
          Leave it as it is
        </button>
        <button type="button" className="button button-main" disabled={rewind.busy} onClick={() => void rewind.run()}>
          Rewind
        </button>
      </DialogAnswers>
    </Dialog>
  );
}

function ForkDialog({ state, seq, onClose }: Common & { seq: number | null }) {
  const client = useClient();
  const fork = useAction(async () => {
    const forked = await forkSession(state.sessionId, seq);
    onClose();
    client.places.go({ sessionId: forked.session_id, seq: null });
    client.reloadSoon();
  });
  return (
    <Dialog title={seq === null ? "Fork the session?" : `Fork from event ${seq}?`} onClose={onClose}>
      <p className="text-sm text-muted">
        A new session begins with conversation and files as they {seq === null ? "are now" : "were there"}. This one
        stays as it is.
      </p>
      <DialogAnswers error={fork.error}>
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="button button-main" disabled={fork.busy} onClick={() => void fork.run()}>
          Fork
        </button>
      </DialogAnswers>
    </Dialog>
  );
}

function RenameDialog({ state, onClose }: Common) {
  const client = useClient();
  const [title, setTitle] = useState(state.title);
  const rename = useAction(async () => {
    await renameSession(state.sessionId, title.trim());
    client.reloadSoon();
    onClose();
  });
  return (
    <Dialog title="Rename the session" onClose={onClose}>
      <form
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          void rename.run();
        }}
      >
        <label>
          <span className="label">Title</span>
          <input
            className="field"
            value={title}
            maxLength={1000}
            required
            autoFocus
            onChange={(event) => setTitle(event.target.value)}
          />
        </label>
        <DialogAnswers error={rename.error}>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-main" disabled={rename.busy || !title.trim()}>
            Rename
          </button>
        </DialogAnswers>
      </form>
    </Dialog>
  );
}

function DeleteDialog({ state, onClose }: Common) {
  const client = useClient();
  /** Changed files that the project does not have. */
  const [unapplied, setUnapplied] = useState<readonly string[] | null>(null);
  const remove = useAction(async () => {
    try {
      await deleteSession(state.sessionId, unapplied !== null);
    } catch (error) {
      if (!(error instanceof Failure && error.code === "unapplied_changes")) throw error;
      setUnapplied(Array.isArray(error.details.files) ? error.details.files.map(String) : []);
      return;
    }
    onClose();
    client.forget(state.sessionId);
  });
  return (
    <Dialog title="Delete the session?" onClose={onClose}>
      <p className="text-sm text-muted">
        Its timeline and its copy of the files go for good. What it added to the memory stays, and so does what was
        applied to the project.
      </p>
      {unapplied && (
        <div className="mt-3 rounded-lg bg-warn-soft p-3 text-sm" role="alert">
          <p className="font-medium text-warn">
            {plural(unapplied.length, "changed file")} the project does not have yet:
          </p>
          <Names names={unapplied} label="Files that are not applied" />
        </div>
      )}
      <DialogAnswers error={remove.error}>
        <button type="button" className="button" onClick={onClose} autoFocus>
          Keep it
        </button>
        <button type="button" className="button button-danger" disabled={remove.busy} onClick={() => void remove.run()}>
          {unapplied ? "Delete it with these changes" : "Delete it"}
        </button>
      </DialogAnswers>
    </Dialog>
  );
}
