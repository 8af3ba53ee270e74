import { MonitorCog, Moon, Plus, Search, Settings, Sun } from "lucide-react";
import { useDesk } from "../palette/desk";
import { keyWords } from "../palette/keys";
import type { SessionView } from "../protocol";
import { useClient } from "../store/client";
import { useStore } from "../store/store";
import { ago, lastName, nameOf } from "./format";
import { useNow } from "./hooks";
import { Status } from "./Status";
import { nextTheme, theme } from "./theme";

const GROUPS: { title: string; holds: (view: SessionView) => boolean }[] = [
  { title: "Needs you", holds: (view) => view.status === "needs_you" },
  { title: "Running", holds: (view) => ["running", "queued", "paused"].includes(view.status) },
  { title: "Done", holds: (view) => view.status === "idle" },
];

/** All sessions, those first that wait for a person. */
export function SessionList({ onChoose }: { onChoose: () => void }) {
  const client = useClient();
  const list = useStore(client.list);
  const { sessionId } = useStore(client.places);
  const now = useNow(true);
  const go = (id: string | null) => {
    client.places.go({ sessionId: id, seq: null });
    onChoose();
  };
  return (
    <nav aria-label="Sessions" className="flex h-full flex-col">
      <div className="flex items-center gap-2 p-3">
        <Logo />
        <PaletteButton onChoose={onChoose} />
        <SettingsLink onChoose={onChoose} />
        <ThemeButton />
      </div>
      <div className="px-3 pb-2">
        <button type="button" className="button button-main w-full" onClick={() => go(null)}>
          <Plus size={16} aria-hidden /> New task
        </button>
      </div>
      <div className="scroller min-h-0 grow px-2 pb-4">
        {list.error && <p className="m-2 rounded-lg bg-bad-soft p-2 text-xs text-bad">{list.error}</p>}
        {GROUPS.map(({ title, holds }) => {
          const views = list.views.filter(holds);
          if (!views.length) return null;
          return (
            <div key={title} className="mt-3">
              <h2 className="px-2 pb-1 text-xs font-semibold text-faint">
                {title} <span className="font-normal">{views.length}</span>
              </h2>
              <ul>
                {views.map((view) => (
                  <li key={view.session_id}>
                    <Entry view={view} now={now} chosen={view.session_id === sessionId} onChoose={go} />
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
        {list.loaded && !list.views.length && (
          <p className="p-2 text-sm text-faint">Your sessions will be listed here.</p>
        )}
      </div>
    </nav>
  );
}

interface EntryProps {
  view: SessionView;
  now: number;
  chosen: boolean;
  onChoose: (id: string) => void;
}

function Entry({ view, now, chosen, onChoose }: EntryProps) {
  const last = view.tasks?.at(-1);
  const status = view.status === "idle" && last ? last.status : view.status;
  return (
    <a
      href={`/sessions/${view.session_id}`}
      aria-current={chosen ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        onChoose(view.session_id);
      }}
      className={`block rounded-lg px-2 py-2 ${chosen ? "bg-accent-soft" : "hover:bg-raised"}`}
    >
      <span className="line-clamp-2 text-sm leading-5 font-medium">
        {nameOf(view.title, view.project, last?.content)}
      </span>
      <span className="mt-1 flex items-center gap-2 text-xs text-muted">
        <Status status={status} />
        <span className="min-w-0 grow truncate">{lastName(view.project)}</span>
        <time dateTime={view.updated_at}>{ago(view.updated_at, now)}</time>
      </span>
    </a>
  );
}

export function Logo() {
  return (
    <span className="flex grow items-center gap-2 font-semibold tracking-tight">
      <svg viewBox="0 0 32 32" className="size-7" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="#4f46e5" />
        <path
          d="M8 10l5.5 12L19 10"
          fill="none"
          stroke="#fff"
          strokeWidth="3"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
        <path d="M20 22h5" stroke="#c7d2fe" strokeWidth="3" strokeLinecap="round" />
      </svg>
      vgPROJECT
    </span>
  );
}

function PaletteButton({ onChoose }: { onChoose: () => void }) {
  const { overlay } = useDesk();
  const label = `All that can be done (${keyWords("Mod+K")})`;
  return (
    <button
      type="button"
      className="button button-quiet button-icon"
      aria-label={label}
      title={label}
      onClick={() => {
        onChoose();
        overlay.set("palette");
      }}
    >
      <Search size={17} aria-hidden />
    </button>
  );
}

function SettingsLink({ onChoose }: { onChoose: () => void }) {
  const { places } = useClient();
  const { settings } = useStore(places);
  return (
    <a
      href="/settings"
      className="button button-quiet button-icon"
      aria-label="Settings"
      title="Settings"
      aria-current={settings ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        places.go({ sessionId: null, seq: null, settings: true });
        onChoose();
      }}
    >
      <Settings size={17} aria-hidden />
    </a>
  );
}

const ICONS = { system: MonitorCog, light: Sun, dark: Moon };

function ThemeButton() {
  const chosen = useStore(theme);
  const Icon = ICONS[chosen];
  const label = `Theme: ${chosen}. Change it.`;
  return (
    <button
      type="button"
      className="button button-quiet button-icon"
      onClick={nextTheme}
      aria-label={label}
      title={label}
    >
      <Icon size={17} aria-hidden />
    </button>
  );
}
