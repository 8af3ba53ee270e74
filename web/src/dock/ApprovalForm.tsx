import { useState } from "react";
import type { ApprovalRequestedData, ResolveApproval } from "../protocol";
import { lookOf } from "../timeline/tools";
import { Answers, Ask } from "./parts";
import { useAnswer } from "./useAnswer";

/** A call that needs a person's word. Its arguments can be changed before it is run. */
export function ApprovalForm({ sessionId, data }: { sessionId: string; data: ApprovalRequestedData }) {
  const [edits, setEdits] = useState<Record<string, string>>({});
  const [reason, setReason] = useState("");
  const { answer, busy, error } = useAnswer();
  const edited = editedArguments(data.arguments, edits);
  const isEdited = edited.wrong === null && Object.keys(edits).length > 0;
  const resolve = (decision: ResolveApproval["decision"]) =>
    answer({
      type: "resolve_approval",
      session_id: sessionId,
      approval_id: data.approval_id,
      decision,
      ...(decision !== "deny" && isEdited ? { arguments: edited.value } : {}),
      ...(decision === "deny" && reason.trim() ? { reason: reason.trim() } : {}),
    });
  return (
    <>
      <Ask title={`${lookOf(data.tool).word}: may the agent do this?`}>{data.reason}</Ask>
      <div className="mt-3 grid gap-2">
        {Object.entries(data.arguments).map(([name, value]) => (
          <label key={name}>
            <span className="label">{name}</span>
            <textarea
              className="field field-sizing-content max-h-48 min-h-9 resize-none font-mono text-xs"
              spellCheck={false}
              rows={1}
              value={edits[name] ?? shown(value)}
              onChange={(event) => setEdits(withEdit(edits, name, event.target.value, shown(value)))}
            />
          </label>
        ))}
        <label>
          <span className="label">Why not (told to the agent if you deny)</span>
          <input className="field" value={reason} onChange={(event) => setReason(event.target.value)} />
        </label>
      </div>
      <Answers error={edited.wrong ?? error}>
        <button
          type="button"
          className="button button-main"
          disabled={busy || edited.wrong !== null}
          onClick={() => resolve("approve")}
        >
          {isEdited ? "Approve with your changes" : "Approve"}
        </button>
        <button
          type="button"
          className="button"
          disabled={busy || isEdited || edited.wrong !== null}
          onClick={() => resolve("approve_for_session")}
        >
          Approve for this session
        </button>
        <button type="button" className="button button-danger" disabled={busy} onClick={() => resolve("deny")}>
          Deny
        </button>
      </Answers>
    </>
  );
}

/** A text as it is; anything else as JSON. */
const shown = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function withEdit(edits: Record<string, string>, name: string, text: string, original: string) {
  const { [name]: _, ...others } = edits;
  return text === original ? others : { ...others, [name]: text };
}

function editedArguments(given: Readonly<Record<string, unknown>>, edits: Record<string, string>) {
  const value: Record<string, unknown> = { ...given };
  for (const [name, text] of Object.entries(edits)) {
    try {
      value[name] = typeof given[name] === "string" ? text : JSON.parse(text);
    } catch {
      return { value, wrong: `${name} is no JSON: it was not a text, so it cannot become one.` };
    }
  }
  return { value, wrong: null };
}
