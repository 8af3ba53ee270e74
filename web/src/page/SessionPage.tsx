import { type ReactNode, useState } from "react";
import { Composer } from "../composer/Composer";
import { emptyDraft } from "../composer/draft";
import { MessageComposer } from "../composer/MessageComposer";
import { Dock } from "../dock/Dock";
import { type PanelId, Panels, PhonePanels, type ViewId } from "../panels/Panels";
import { useClient } from "../store/client";
import { currentTask, isOpen, type SessionState } from "../store/session";
import { useStore } from "../store/store";
import { Timeline } from "../timeline/Timeline";
import { Announcer } from "./Announcer";
import { Banner } from "./Banner";
import { Header } from "./Header";
import { useMedia } from "./hooks";

/** One session: what happens in it, what it asks, and what came out of it. */
export function SessionPage({ sessionId, menu }: { sessionId: string; menu: ReactNode }) {
  const client = useClient();
  const state = useStore(client.session(sessionId));
  const [panel, setPanel] = useState<PanelId>("plan");
  const [onPhone, setOnPhone] = useState<ViewId>("chat");
  const twoColumns = useMedia("(min-width: 760px)");
  const open = (id: PanelId) => {
    setPanel(id);
    setOnPhone(id);
  };
  const chat = (
    <main className="flex min-h-0 min-w-0 grow flex-col">
      <Header state={state} menu={menu} />
      <Banner session={state} />
      <Announcer state={state} />
      {(twoColumns || onPhone === "chat") && (
        <>
          <Timeline state={state} onPanel={open} />
          <div className="mx-auto max-h-[75%] w-full max-w-3xl shrink-0 overflow-y-auto px-3 pt-1 pb-3 md:px-5">
            <Dock state={state} />
            <Writing state={state} />
          </div>
        </>
      )}
      {!twoColumns && <PhonePanels state={state} chosen={onPhone} onChoose={setOnPhone} />}
    </main>
  );
  if (!twoColumns) return chat;
  return (
    <>
      {chat}
      <aside aria-label="Results" className="flex w-[36%] max-w-xl min-w-80 shrink-0 border-l border-line bg-surface">
        <Panels state={state} chosen={panel} onChoose={setPanel} />
      </aside>
    </>
  );
}

/** A task where none is open; else a word to the one that runs. */
function Writing({ state }: { state: SessionState }) {
  const client = useClient();
  const [draft, setDraft] = useState(emptyDraft);
  if (state.seq === 0) return null;
  if (isOpen(currentTask(state))) return <MessageComposer sessionId={state.sessionId} />;
  return (
    <Composer
      draft={draft}
      onDraft={setDraft}
      onStart={async ({ task }) => {
        await client.send({ type: "task", session_id: state.sessionId, ...task });
      }}
    />
  );
}
