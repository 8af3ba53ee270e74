import { Download } from "lucide-react";
import { useState } from "react";
import { readAfter } from "../http";
import { Dialog, DialogAnswers } from "../page/Dialog";
import { useAction } from "../page/hooks";
import { Segments } from "../page/Segments";
import type { SessionState } from "../store/session";
import { asLines, readLog } from "./log";
import { asMarkdown } from "./markdown";

type Format = "md" | "jsonl";

const FORMATS: { value: Format; word: string; about: string }[] = [
  { value: "md", word: "Markdown", about: "A text for people: tasks, messages, calls with what they told" },
  { value: "jsonl", word: "JSON lines", about: "Every event as it is in the log, one a line" },
];
const TYPES: Record<Format, string> = { md: "text/markdown", jsonl: "application/x-ndjson" };

/** The whole session as a file, read from the log and not from what the page has loaded. */
export function ExportDialog({ state, onClose }: { state: SessionState; onClose: () => void }) {
  const { sessionId } = state;
  const [format, setFormat] = useState<Format>("md");
  const [read, setRead] = useState<string | null>(null);
  const save = useAction(async () => {
    const tell = (seq: number, headSeq: number) => setRead(`${seq} of ${headSeq} events are read.`);
    const events = await readLog((after) => readAfter(sessionId, after), tell);
    const text = format === "md" ? asMarkdown(sessionId, events) : asLines(events);
    download(`${sessionId}.${format}`, new Blob([text], { type: TYPES[format] }));
  });
  return (
    <Dialog title="Export the session" onClose={onClose}>
      <Segments label="Format" options={FORMATS} chosen={format} onChoose={setFormat} />
      <p className="mt-3 text-sm text-muted">{FORMATS.find(({ value }) => value === format)?.about}.</p>
      <p className="mt-1 text-sm text-muted" role="status">
        {read}
      </p>
      <DialogAnswers error={save.error}>
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="button" className="button button-main" disabled={save.busy} onClick={() => void save.run()}>
          <Download size={15} aria-hidden /> Download
        </button>
      </DialogAnswers>
    </Dialog>
  );
}

const KEPT_MS = 60_000;

function download(name: string, file: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
