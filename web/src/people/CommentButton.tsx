import { MessageSquare } from "lucide-react";
import { plural } from "../page/format";
import { useThread } from "./threads";

/** How many remarks there are, and the way to one more. It shows when its row is pointed at, or has some. */
export function CommentButton({ place, about }: { place: string; about: string }) {
  const thread = useThread(place);
  if (!thread) return null;
  const { threads, comments, unresolved, isOpened } = thread;
  const label = comments.length
    ? `${plural(comments.length, "comment")} on ${about}, ${unresolved} not resolved`
    : `Comment on ${about}`;
  return (
    <button
      type="button"
      data-comment={place}
      className={`-my-1 inline-flex size-7 shrink-0 items-center justify-center gap-0.5 rounded-md text-xs tabular-nums
        hover:bg-raised hover:text-ink max-md:-my-2.5 max-md:size-11 ${unresolved ? "font-medium text-accent" : "text-faint"}
        ${comments.length || isOpened ? "" : "opacity-0 group-focus-within/row:opacity-100 group-hover/row:opacity-100 focus-visible:opacity-100 pointer-coarse:opacity-100"}`}
      aria-label={label}
      title={label}
      aria-expanded={isOpened}
      onClick={() => threads.open(isOpened ? null : place)}
    >
      <MessageSquare size={14} aria-hidden />
      {comments.length > 0 && <span aria-hidden="true">{comments.length}</span>}
    </button>
  );
}
