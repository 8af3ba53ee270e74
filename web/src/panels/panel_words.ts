/** The tabs beside the timeline, in their order. */
export const PANEL_WORDS = [
  { id: "plan", title: "Plan" },
  { id: "changes", title: "Changes" },
  { id: "terminal", title: "Terminal" },
  { id: "files", title: "Files" },
  { id: "memory", title: "Memory" },
] as const;

export type PanelId = (typeof PANEL_WORDS)[number]["id"];
