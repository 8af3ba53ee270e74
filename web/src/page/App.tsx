import { Menu, X } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { Desk, DeskProvider } from "../palette/desk";
import { Overlays } from "../palette/Overlays";
import { useClient } from "../store/client";
import { useStore } from "../store/store";
import { Banner } from "./Banner";
import { Home } from "./Home";
import { useMedia } from "./hooks";
import { SessionList } from "./SessionList";
import { SessionPage } from "./SessionPage";
import { SignIn } from "./SignIn";
import { useNotifications } from "./useNotifications";

const SettingsPage = lazy(() => import("../people/SettingsPage").then((module) => ({ default: module.SettingsPage })));

/** The whole page: the list of sessions, and the session that the address names, or the form for a first task. */
export function App() {
  const client = useClient();
  const status = useStore(client.status);
  const { sessionId, settings } = useStore(client.places);
  const [desk] = useState(() => new Desk());
  useNotifications();
  const [listOpen, setListOpen] = useState(false);
  const wide = useMedia("(min-width: 1000px)");
  const waiting = useStore(client.list).views.filter((view) => view.status === "needs_you").length;
  useEffect(() => {
    document.title = waiting ? `(${waiting}) vgPROJECT` : "vgPROJECT";
  }, [waiting]);

  if (status.kind === "signed_out") return <SignIn />;
  const menu = wide ? null : <MenuButton onOpen={() => setListOpen(true)} waiting={waiting} />;
  return (
    <DeskProvider value={desk}>
      <div className="flex h-dvh">
        {wide ? (
          <div className="w-68 shrink-0 border-r border-line bg-surface">
            <SessionList onChoose={() => {}} />
          </div>
        ) : (
          listOpen && <Drawer onClose={() => setListOpen(false)} />
        )}
        {sessionId ? (
          <SessionPage key={sessionId} sessionId={sessionId} menu={menu} />
        ) : (
          <main className="scroller flex min-w-0 grow flex-col">
            <Banner session={null} />
            {settings ? (
              <Suspense>
                <SettingsPage menu={menu} />
              </Suspense>
            ) : (
              <>
                {menu && <div className="p-2">{menu}</div>}
                <Home />
              </>
            )}
          </main>
        )}
      </div>
      <Overlays />
    </DeskProvider>
  );
}

function MenuButton({ onOpen, waiting }: { onOpen: () => void; waiting: number }) {
  const label = waiting ? `Sessions: ${waiting} need you` : "Sessions";
  return (
    <button
      type="button"
      className="button button-quiet button-icon relative shrink-0"
      onClick={onOpen}
      aria-label={label}
    >
      <Menu size={18} aria-hidden />
      {waiting > 0 && <span className="absolute top-2 right-2 size-2 rounded-full bg-warn" aria-hidden="true" />}
    </button>
  );
}

function Drawer({ onClose }: { onClose: () => void }) {
  useEffect(() => {
    const close = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    addEventListener("keydown", close);
    return () => removeEventListener("keydown", close);
  }, [onClose]);
  return (
    <div className="fixed inset-0 z-20 flex bg-black/40">
      <div className="relative flex w-80 max-w-[85%] flex-col bg-surface pt-[env(safe-area-inset-top)] shadow-xl">
        <SessionList onChoose={onClose} />
      </div>
      <button type="button" className="grid grow place-items-start p-3 text-white" onClick={onClose} aria-label="Close">
        <X size={22} aria-hidden />
      </button>
    </div>
  );
}
