import { lazy, type ReactNode, Suspense, useCallback, useMemo, useState } from "react";
import { flushSync } from "react-dom";
import { Composer } from "../composer/Composer";
import { emptyDraft } from "../composer/draft";
import { MessageComposer } from "../composer/MessageComposer";
import { useSlash } from "../composer/useSlash";
import { Dock } from "../dock/Dock";
import { useReach } from "../palette/desk";
import { focusOn } from "../palette/focus";
import { diffLook } from "../panels/diff_look";
import { type PanelId, Panels, PhonePanels, type ViewId } from "../panels/Panels";
import { ControlAsk } from "../people/ControlAsk";
import { useTellPresence } from "../people/presence";
import { ThreadsProvider, useThreadsOf } from "../people/threads";
import { useClient } from "../store/client";
import { currentTask, isOpen, type SessionState } from "../store/session";
import { useStore } from "../store/store";
import { Timeline } from "../timeline/Timeline";
import { Announcer } from "./Announcer";
import { Banner } from "./Banner";
import { DialogsProvider, type SessionDialog } from "./dialogs";
import { Header } from "./Header";
import { useMedia, useRefusal } from "./hooks";

const SessionDialogs = lazy(() =>
  import("../session/SessionDialogs").then((module) => ({ default: module.SessionDialogs })),
);

/** One session: what happens in it, what it asks, and what came out of it. */
export function SessionPage({ sessionId, menu }: { sessionId: string; menu: ReactNode }) {
  const client = useClient();
  const state = useStore(client.session(sessionId));
  const [panel, setPanel] = useState<PanelId>("plan");
  const [onPhone, setOnPhone] = useState<ViewId>("chat");
  const [finding, setFinding] = useState(false);
  const [dialog, setDialog] = useState<SessionDialog | null>(null);
  const needsRoom = useStore(diffLook) === "split" && panel === "changes";
  const twoColumns = useMedia("(min-width: 760px)");
  const threads = useThreadsOf(state);
  useTellPresence(sessionId);
  const open = useCallback((id: ViewId) => {
    setOnPhone(id);
    if (id !== "chat" && id !== "more") setPanel(id);
  }, []);
  useReach(
    useMemo(
      () => ({
        state: client.session(sessionId).get,
        show: (view) => flushSync(() => open(view)),
        dialog: setDialog,
        find: () => {
          flushSync(() => {
            open("chat");
            setFinding(true);
          });
          focusOn("find");
        },
      }),
      [client, sessionId, open],
    ),
  );
  const chat = (
    <main className="flex min-h-0 min-w-0 grow flex-col">
      <Header state={state} menu={menu} />
      <Banner session={state} />
      <Announcer state={state} />
      {(twoColumns || onPhone === "chat") && (
        <>
          <Timeline state={state} onPanel={open} finding={finding} onFinding={setFinding} />
          <div className="mx-auto max-h-[75%] w-full max-w-3xl shrink-0 overflow-y-auto px-3 pt-1 pb-3 md:px-5">
            <Dock state={state} />
            <ControlAsk state={state} />
            <Writing state={state} />
          </div>
        </>
      )}
      {!twoColumns && <PhonePanels state={state} chosen={onPhone} onChoose={setOnPhone} />}
    </main>
  );
  return (
    <DialogsProvider value={setDialog}>
      <ThreadsProvider value={threads}>
        {chat}
        {twoColumns && (
          <aside
            aria-label="Results"
            className={`flex min-w-80 shrink-0 border-l border-line bg-surface ${needsRoom ? "w-1/2 max-w-4xl" : "w-[36%] max-w-xl"}`}
          >
            <Panels state={state} chosen={panel} onChoose={setPanel} />
          </aside>
        )}
      </ThreadsProvider>
      {dialog && (
        <Suspense>
          <SessionDialogs dialog={dialog} state={state} onClose={() => setDialog(null)} />
        </Suspense>
      )}
    </DialogsProvider>
  );
}

/** A task where none is open; else a word to the one that runs. */
function Writing({ state }: { state: SessionState }) {
  const client = useClient();
  const slash = useSlash(state);
  const [draft, setDraft] = useState(emptyDraft);
  const why = useRefusal(state, "steer");
  if (state.seq === 0) return null;
  if (why) return <p className="card px-4 py-3 text-sm text-muted">{why}</p>;
  if (isOpen(currentTask(state))) return <MessageComposer state={state} />;
  return (
    <Composer
      draft={draft}
      onDraft={setDraft}
      session={state}
      onCommand={slash}
      onStart={async ({ task }) => {
        await client.send({ type: "task", session_id: state.sessionId, ...task });
      }}
    />
  );
}
