import { type FormEvent, useState } from "react";
import type { QuestionAskedData } from "../protocol";
import { Markdown } from "../text/Markdown";
import { Answers, Ask } from "./parts";
import { useAnswer } from "./useAnswer";

/** The agent asks something; its choices are proposals. */
export function QuestionForm({ sessionId, data }: { sessionId: string; data: QuestionAskedData }) {
  const [content, setContent] = useState("");
  const { answer, busy, error } = useAnswer();
  const say = (words: string) =>
    answer({ type: "answer", session_id: sessionId, question_id: data.question_id, content: words });
  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        say(content.trim());
      }}
    >
      <Ask title="The agent asks">
        <div className="text-ink">
          <Markdown text={data.question} />
        </div>
      </Ask>
      {data.choices && data.choices.length > 0 && (
        <div className="mt-3 flex flex-wrap gap-2">
          {data.choices.map((choice) => (
            <button key={choice} type="button" className="button" disabled={busy} onClick={() => say(choice)}>
              {choice}
            </button>
          ))}
        </div>
      )}
      <label className="mt-3 block">
        <span className="label">Your answer</span>
        <input className="field" value={content} onChange={(event) => setContent(event.target.value)} />
      </label>
      <Answers error={error}>
        <button type="submit" className="button button-main" disabled={busy || !content.trim()}>
          Answer
        </button>
      </Answers>
    </form>
  );
}
