import { Check, SendHorizontal } from "lucide-react";
import { type FormEvent, useState } from "react";
import { clock } from "../page/format";
import { useAction, useRefusal } from "../page/hooks";
import { useClient } from "../store/client";
import type { Comment } from "../store/session";
import type { Place } from "./Comments";
import { useThread } from "./threads";

/** The remarks that are not resolved; opened, all of them, and a field for the next. */
export function Thread({ state, place, target }: Place) {
  const client = useClient();
  const thread = useThread(place);
  const why = useRefusal(state, "edit");
  const resolve = useAction((comment_id: string) =>
    client.send({ type: "resolve_comment", session_id: state.sessionId, comment_id }),
  );
  if (!thread) return null;
  const { threads, comments, isOpened } = thread;
  const shown = comments.filter((comment) => isOpened || comment.resolvedBy === null);
  const close = () => {
    threads.open(null);
    document.querySelector<HTMLElement>(`[data-comment=${CSS.escape(place)}]`)?.focus();
  };
  return (
    <section
      aria-label="Comments"
      className="my-1 ml-auto max-w-xl rounded-lg border border-line bg-raised px-3 py-2 text-sm"
    >
      <ul className="grid gap-1.5">
        {shown.map((comment) => (
          <Remark key={comment.id} comment={comment}>
            <button
              type="button"
              className="button button-quiet button-icon -my-1.5 shrink-0"
              aria-label={`Resolve the comment of ${comment.author}`}
              title={why ?? "It is settled"}
              disabled={why !== null || resolve.busy}
              onClick={() => void resolve.run(comment.id)}
            >
              <Check size={15} aria-hidden />
            </button>
          </Remark>
        ))}
      </ul>
      {resolve.error && (
        <p role="alert" className="text-bad">
          {resolve.error}
        </p>
      )}
      {isOpened &&
        (why ? <p className="text-muted">{why}</p> : <Writing {...{ state, place, target }} onClose={close} />)}
    </section>
  );
}

function Remark({ comment, children }: { comment: Comment; children: React.ReactNode }) {
  const { author, content, time, resolvedBy } = comment;
  return (
    <li className="flex items-start gap-2" data-resolved={resolvedBy !== null}>
      <span className="min-w-0 grow">
        <span className="font-medium">{author}</span>{" "}
        <time dateTime={time} className="text-xs text-muted">
          {clock(time)}
        </time>
        <span className={`block break-words whitespace-pre-wrap ${resolvedBy ? "text-muted line-through" : ""}`}>
          {content}
        </span>
      </span>
      {resolvedBy ? <span className="text-xs text-muted">resolved by {resolvedBy}</span> : children}
    </li>
  );
}

function Writing({ state, place, target, onClose }: Place & { onClose: () => void }) {
  const client = useClient();
  const drafts = useThread(place)?.threads.drafts;
  const [content, setContent] = useState(drafts?.get(place) ?? "");
  const write = (text: string) => {
    setContent(text);
    drafts?.set(place, text);
  };
  const send = useAction(async () => {
    await client.send({ type: "comment", session_id: state.sessionId, content: content.trim(), ...target });
    write("");
  });
  const onSubmit = (event?: FormEvent) => {
    event?.preventDefault();
    if (content.trim() && !send.busy) void send.run();
  };
  return (
    <form className="mt-1.5 flex items-end gap-2" onSubmit={onSubmit}>
      <textarea
        className="field field-sizing-content max-h-40 min-h-9 resize-none"
        aria-label="Your comment"
        placeholder="To the people here; no model reads it"
        rows={1}
        autoFocus
        value={content}
        onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          event.currentTarget.form?.requestSubmit();
        }}
      />
      <button
        type="submit"
        className="button button-icon shrink-0"
        aria-label="Send the comment"
        disabled={send.busy || !content.trim()}
      >
        <SendHorizontal size={15} aria-hidden />
      </button>
      {send.error && (
        <p role="alert" className="text-bad">
          {send.error}
        </p>
      )}
    </form>
  );
}
