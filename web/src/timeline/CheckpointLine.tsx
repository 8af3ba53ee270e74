import { Ellipsis, Flag, GitFork, Undo2 } from "lucide-react";
import { refusalIn, steeringRefusal } from "../access";
import { useDialogs } from "../page/dialogs";
import { plural } from "../page/format";
import { Menu, type MenuItem } from "../page/Menu";
import type { Event } from "../protocol";
import { useClient } from "../store/client";
import { isOpen } from "../store/session";
import { EventLink } from "./EventLink";

interface Props {
  event: Extract<Event, { type: "checkpoint_created" }>;
  sessionId: string;
}

/** Files as they were here: one can come back to it, or go another way from it. */
export function CheckpointLine({ event, sessionId }: Props) {
  const { files } = event.data;
  return (
    <div className="flex items-center gap-2 text-xs text-faint">
      <Flag size={13} className="shrink-0" aria-hidden />
      <span className="min-w-0 grow truncate" title={files.join("\n")}>
        Checkpoint: {files.length === 1 ? files[0] : plural(files.length, "file")}
      </span>
      <CheckpointMenu seq={event.seq} sessionId={sessionId} />
      <EventLink seq={event.seq} time={event.time} />
    </div>
  );
}

export function CheckpointMenu({ seq, sessionId }: { seq: number; sessionId: string }) {
  const client = useClient();
  const open = useDialogs();
  const items = (): MenuItem[] => {
    const state = client.session(sessionId).get();
    const me = client.me.get();
    const why = refusalIn(state.members, me, "edit");
    const noSteering = steeringRefusal(state.members, me, state.holder);
    const busy = state.tasks.some(isOpen) ? "A task is open: cancel it first, or let it end." : null;
    return [
      { word: "Rewind to here", icon: Undo2, why: noSteering ?? busy, onChoose: () => open({ kind: "rewind", seq }) },
      { word: "Fork from here", icon: GitFork, why, onChoose: () => open({ kind: "fork", seq }) },
    ];
  };
  return (
    <Menu
      label={`Checkpoint ${seq}`}
      items={items}
      className="grid size-7 shrink-0 place-items-center rounded-md hover:bg-raised hover:text-ink max-md:size-11"
    >
      <Ellipsis size={16} aria-hidden />
    </Menu>
  );
}
