import { memo } from "react";
import type { PanelId } from "../panels/Panels";
import type { Item, SessionState } from "../store/session";
import { EventCard } from "./EventCard";
import { MessageCard, ReasoningCard, TaskCard } from "./MessageCard";
import { ToolCard } from "./ToolCard";

interface Props {
  item: Item;
  state: SessionState;
  onPanel: (panel: PanelId) => void;
}

/** One row of the timeline. Items are values: one that is the same is not drawn again. */
export const Card = memo(
  function Card({ item, state, onPanel }: Props) {
    switch (item.kind) {
      case "task":
        return <TaskCard item={item} />;
      case "message":
        return <MessageCard item={item} />;
      case "reasoning":
        return <ReasoningCard itemKey={item.key} text={item.text} live={false} />;
      case "tool":
        return <ToolCard item={item} output={state.outputs.get(item.callId)?.text ?? null} />;
      case "event":
        return <EventCard item={item} sessionId={state.sessionId} onPanel={onPanel} />;
      default: {
        const unknown: never = item;
        return unknown;
      }
    }
  },
  (before, after) =>
    before.item === after.item &&
    (before.item.kind !== "tool" ||
      before.state.outputs.get(before.item.callId) === after.state.outputs.get(before.item.callId)),
);
