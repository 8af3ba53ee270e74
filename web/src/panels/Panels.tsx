import { FileDiff, Files, ListTodo, type LucideIcon, MessagesSquare, SquareTerminal } from "lucide-react";
import { Tabs } from "radix-ui";
import type { ComponentType } from "react";
import type { SessionState } from "../store/session";
import { ChangesPanel } from "./ChangesPanel";
import { FilesPanel } from "./FilesPanel";
import { PlanPanel } from "./PlanPanel";
import { TerminalPanel } from "./TerminalPanel";

export type PanelId = "plan" | "changes" | "terminal" | "files";

interface Panel {
  id: PanelId;
  title: string;
  icon: LucideIcon;
  Content: ComponentType<{ state: SessionState }>;
  /** A number worth knowing before it is opened. */
  count?: (state: SessionState) => number;
}

/** In their order. A new panel is a component, and a line here. */
const PANELS: readonly Panel[] = [
  { id: "plan", title: "Plan", icon: ListTodo, Content: PlanPanel },
  { id: "changes", title: "Changes", icon: FileDiff, Content: ChangesPanel, count: (state) => state.files.size },
  { id: "terminal", title: "Terminal", icon: SquareTerminal, Content: TerminalPanel },
  { id: "files", title: "Files", icon: Files, Content: FilesPanel },
];

interface Props {
  state: SessionState;
  chosen: PanelId | "chat";
  onChoose: (id: PanelId | "chat") => void;
  /** One column, with the tabs at the bottom and the conversation as the first. */
  phone?: boolean;
}

export function Panels({ state, chosen, onChoose, phone = false }: Props) {
  const tabs = (
    <Tabs.List
      aria-label={phone ? "Views" : "Results"}
      className={
        phone
          ? "flex shrink-0 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)]"
          : "flex shrink-0 gap-1 border-b border-line px-2 pt-2"
      }
    >
      {phone && <Tab id="chat" title="Chat" icon={MessagesSquare} count={state.asks.length} phone />}
      {PANELS.map(({ count, ...panel }) => (
        <Tab key={panel.id} {...panel} count={count?.(state) ?? 0} phone={phone} />
      ))}
    </Tabs.List>
  );
  return (
    <Tabs.Root
      value={chosen}
      onValueChange={(id) => onChoose(id as PanelId)}
      className={`flex w-full min-w-0 flex-col ${chosen === "chat" ? "" : "min-h-0 grow"}`}
    >
      {!phone && tabs}
      {phone && (
        <Tabs.Content value="chat" className="sr-only">
          The conversation is above.
        </Tabs.Content>
      )}
      {PANELS.map(({ id, Content }) => (
        <Tabs.Content key={id} value={id} className="scroller flex min-h-0 grow flex-col">
          <Content state={state} />
        </Tabs.Content>
      ))}
      {phone && tabs}
    </Tabs.Root>
  );
}

interface TabProps {
  id: string;
  title: string;
  icon: LucideIcon;
  count: number;
  phone: boolean;
}

function Tab({ id, title, icon: Icon, count, phone }: TabProps) {
  const look = phone
    ? "min-h-14 grow basis-0 flex-col gap-0.5 text-xs data-[state=active]:text-accent"
    : "min-h-9 gap-1.5 rounded-t-lg border-b-2 border-transparent px-2.5 text-sm hover:text-ink data-[state=active]:border-accent data-[state=active]:font-medium data-[state=active]:text-ink";
  return (
    <Tabs.Trigger value={id} className={`flex items-center justify-center text-muted ${look}`}>
      <Icon size={phone ? 19 : 15} aria-hidden />
      <span>
        {title}
        {count > 0 && <span className="ml-1 rounded-full bg-raised px-1.5 text-xs tabular-nums">{count}</span>}
      </span>
    </Tabs.Trigger>
  );
}
