import {
  Brain,
  ChevronRight,
  Ellipsis,
  FileDiff,
  Files,
  ListTodo,
  type LucideIcon,
  MessagesSquare,
  SquareTerminal,
} from "lucide-react";
import { type ComponentType, lazy, Suspense } from "react";
import { changedFiles, type SessionState } from "../store/session";
import { FilesPanel } from "./FilesPanel";
import { PlanPanel } from "./PlanPanel";
import { PANEL_WORDS, type PanelId } from "./panel_words";
import { TabList, TabPanel, type TabWords } from "./Tabs";
import { TerminalPanel } from "./TerminalPanel";

export type { PanelId };
/** What one column shows: the conversation, a panel, or the list of those that have no tab. */
export type ViewId = PanelId | "chat" | "more";

const MemoryPanel = lazy(() => import("../memory/MemoryPanel").then((module) => ({ default: module.MemoryPanel })));
const ChangesPanel = lazy(() => import("./ChangesPanel").then((module) => ({ default: module.ChangesPanel })));

interface Panel {
  icon: LucideIcon;
  Content: ComponentType<{ state: SessionState }>;
  /** A number worth knowing before it is opened. */
  count?: (state: SessionState) => number;
}

const LOOKS: Record<PanelId, Panel> = {
  plan: { icon: ListTodo, Content: PlanPanel },
  changes: { icon: FileDiff, Content: ChangesPanel, count: (state) => changedFiles(state).length },
  terminal: { icon: SquareTerminal, Content: TerminalPanel },
  files: { icon: Files, Content: FilesPanel },
  memory: { icon: Brain, Content: MemoryPanel },
};
/** A new panel is a component, a line above, and one in `panel_words.ts`. */
const PANELS = PANEL_WORDS.map((words) => ({ ...words, ...LOOKS[words.id] }));
/** A phone has room for so many of them. */
const ON_PHONE = 3;

interface Props {
  state: SessionState;
  chosen: PanelId;
  onChoose: (id: PanelId) => void;
}

/** Beside the conversation. */
export function Panels({ state, chosen, onChoose }: Props) {
  return (
    <div className="@container flex w-full min-w-0 flex-col">
      <TabList label="Results" tabs={wordsOf(PANELS, state)} chosen={chosen} onChoose={onChoose} phone={false} />
      <Chosen id={chosen} state={state} />
    </div>
  );
}

interface PhoneProps {
  state: SessionState;
  chosen: ViewId;
  onChoose: (id: ViewId) => void;
}

/** In one column, with the tabs at the bottom and the conversation as the first. */
export function PhonePanels({ state, chosen, onChoose }: PhoneProps) {
  const more = PANELS.slice(ON_PHONE);
  const tabs: TabWords<ViewId>[] = [
    { id: "chat", title: "Chat", icon: MessagesSquare, count: state.asks.length },
    ...wordsOf(PANELS.slice(0, ON_PHONE), state),
    { id: "more", title: "More", icon: Ellipsis, count: 0 },
  ];
  const isInMore = chosen === "more" || more.some((panel) => panel.id === chosen);
  return (
    <div className={`flex w-full min-w-0 flex-col ${chosen === "chat" ? "" : "min-h-0 grow"}`}>
      {chosen === "chat" && (
        <div role="tabpanel" id="panel-chat" aria-label="Chat" className="sr-only">
          The conversation is above.
        </div>
      )}
      {chosen === "more" && (
        <TabPanel id="more" label="More">
          <ul className="p-2">
            {more.map(({ id, title, icon: Icon }) => (
              <li key={id}>
                <button
                  type="button"
                  className="flex min-h-12 w-full items-center gap-3 rounded-lg px-3 hover:bg-raised"
                  onClick={() => onChoose(id)}
                >
                  <Icon size={18} className="text-muted" aria-hidden /> {title}
                  <ChevronRight size={16} className="ml-auto text-faint" aria-hidden />
                </button>
              </li>
            ))}
          </ul>
        </TabPanel>
      )}
      {chosen !== "chat" && chosen !== "more" && (
        <Chosen id={chosen} state={state} shownBy={isInMore ? "more" : chosen} />
      )}
      <TabList label="Views" tabs={tabs} chosen={isInMore ? "more" : chosen} onChoose={onChoose} phone />
    </div>
  );
}

function wordsOf(panels: typeof PANELS, state: SessionState): TabWords<PanelId>[] {
  return panels.map(({ id, title, icon, count }) => ({ id, title, icon, count: count?.(state) ?? 0 }));
}

function Chosen({ id, state, shownBy = id }: { id: PanelId; state: SessionState; shownBy?: ViewId }) {
  const panel = PANELS.find((one) => one.id === id);
  if (!panel) return null;
  const { title, Content } = panel;
  return (
    <TabPanel key={id} id={shownBy} label={title}>
      <Suspense fallback={<p className="panel-empty">Loading …</p>}>
        <Content state={state} />
      </Suspense>
    </TabPanel>
  );
}
