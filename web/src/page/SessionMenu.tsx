import {
  Download,
  Ellipsis,
  GitFork,
  Hand,
  PencilLine,
  RotateCcw,
  Search,
  SlidersHorizontal,
  Trash2,
  Users,
} from "lucide-react";
import { refusalIn, steeringRefusal } from "../access";
import { useDesk } from "../palette/desk";
import { useClient } from "../store/client";
import { currentTask, isOpen, type SessionState } from "../store/session";
import { useDialogs } from "./dialogs";
import { capital } from "./format";
import { useAction } from "./hooks";
import { Menu, type MenuItem } from "./Menu";

/** What can be done with a session as a whole. */
export function SessionMenu({ state }: { state: SessionState }) {
  const client = useClient();
  const open = useDialogs();
  const desk = useDesk();
  const retry = useAction((taskId: string, phase: string) =>
    client.send({ type: "retry", session_id: state.sessionId, task_id: taskId, phase }),
  );
  const items = (): MenuItem[] => {
    const me = client.me.get();
    const why = refusalIn(state.members, me, "edit");
    const task = currentTask(state);
    const ended = task && (task.status === "failed" || task.status === "cancelled") ? task : null;
    const begun = ended?.phases.filter(({ status }) => status === "done" || status === "failed") ?? [];
    const busy = state.tasks.some(isOpen) ? "A task is open: cancel it first, or let it end." : null;
    return [
      ...begun.map(({ name }) => ({
        word: `Retry from ${capital(name).toLowerCase()}`,
        icon: RotateCcw,
        why: steeringRefusal(state.members, me, state.holder),
        onChoose: () => void (ended && retry.run(ended.id, name)),
      })),
      { word: "Rename", icon: PencilLine, why, onChoose: () => open({ kind: "rename" }) },
      { word: "Share", icon: Users, onChoose: () => open({ kind: "share" }) },
      { word: "People", icon: Hand, onChoose: () => open({ kind: "people" }) },
      { word: "Settings", icon: SlidersHorizontal, onChoose: () => open({ kind: "settings" }) },
      { word: "Search", icon: Search, onChoose: () => desk.session.get()?.find() },
      { word: "Export", icon: Download, onChoose: () => open({ kind: "export" }) },
      { word: "Fork", icon: GitFork, why, onChoose: () => open({ kind: "fork", seq: null }) },
      {
        word: "Delete",
        icon: Trash2,
        danger: true,
        why: refusalIn(state.members, me, "manage") ?? busy,
        onChoose: () => open({ kind: "delete" }),
      },
    ];
  };
  return (
    <>
      {retry.error && (
        <span role="alert" className="text-xs text-bad">
          {retry.error}
        </span>
      )}
      <button
        type="button"
        className="button max-sm:hidden"
        title="Who sees the session, and who does what in it"
        onClick={() => open({ kind: "share" })}
      >
        <Users size={15} aria-hidden /> <span className="@max-2xl:sr-only">Share</span>
        {state.members.size > 1 && (
          <span className="text-muted tabular-nums" aria-hidden="true">
            {state.members.size}
          </span>
        )}
      </button>
      <Menu label="This session" items={items}>
        <Ellipsis size={18} aria-hidden />
      </Menu>
    </>
  );
}
