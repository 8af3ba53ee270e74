/** The whole log of a session, read page by page. */
import { Failure } from "../failure";
import type { Event } from "../protocol";

export interface LogPage {
  readonly events: readonly Event[];
  readonly head_seq: number;
  readonly epoch: string;
}

/** All events, from the first to the last that is there when the last page is read. Raises `Failure`. */
export async function readLog(
  readPage: (after: number) => Promise<LogPage>,
  onProgress: (seq: number, headSeq: number) => void = () => {},
): Promise<Event[]> {
  const events: Event[] = [];
  let epoch: string | null = null;
  for (;;) {
    const page = await readPage(events.at(-1)?.seq ?? 0);
    if (epoch !== null && page.epoch !== epoch)
      throw new Failure("log_replaced", "The log was replaced while it was read: try again.");
    epoch = page.epoch;
    events.push(...page.events);
    const seq = events.at(-1)?.seq ?? 0;
    onProgress(seq, page.head_seq);
    if (!page.events.length || seq >= page.head_seq) return events;
  }
}

/** One event a line, as the server has them. */
export function asLines(events: readonly Event[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}
