import type { RecoveryDecisionRequestedData, ResolveRecovery } from "../protocol";
import { lookOf, mainArgument } from "../timeline/tools";
import { Answers, Ask } from "./parts";
import { useAnswer } from "./useAnswer";

const DECISIONS: { decision: ResolveRecovery["decision"]; word: string }[] = [
  { decision: "run_again", word: "Run it again" },
  { decision: "mark_done", word: "It was done" },
  { decision: "skip", word: "Go on without it" },
];

/** A crash left it unknown whether something was done. */
export function RecoveryForm({ sessionId, data }: { sessionId: string; data: RecoveryDecisionRequestedData }) {
  const { answer, busy, error } = useAnswer();
  return (
    <>
      <Ask title="Was this done before the interruption?">{data.unknown}</Ask>
      <pre className="mt-2 rounded-lg bg-raised px-3 py-2 font-mono text-xs whitespace-pre-wrap">
        {lookOf(data.tool).word} {mainArgument(data.tool, data.arguments)}
      </pre>
      <Answers error={error}>
        {DECISIONS.map(({ decision, word }) => (
          <button
            key={decision}
            type="button"
            className="button"
            disabled={busy}
            onClick={() =>
              answer({ type: "resolve_recovery", session_id: sessionId, recovery_id: data.recovery_id, decision })
            }
          >
            {word}
          </button>
        ))}
      </Answers>
    </>
  );
}
