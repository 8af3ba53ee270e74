import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { PanelId } from "../panels/Panels";
import { Comments } from "../people/Comments";
import { rowPlace } from "../people/threads";
import { useClient } from "../store/client";
import { isWithdrawn, type SessionState } from "../store/session";
import { useStore } from "../store/store";
import { Card } from "./Card";
import { FindBar } from "./FindBar";
import { FoldsProvider } from "./folds";
import { LiveTail } from "./LiveTail";
import { Older } from "./Older";
import { estimateHeight, shownItems } from "./rows";
import { useFind } from "./useFind";

const NEAR_PX = 48;
const SETTLE_MS = 400;
const UPWARDS = new Set(["Home", "PageUp", "ArrowUp", "Tab"]);

interface Props {
  state: SessionState;
  onPanel: (panel: PanelId) => void;
  /** The search is open. */
  finding: boolean;
  onFinding: (finding: boolean) => void;
}

/** What has happened, the oldest first. Only what can be seen is in the page; it stays at the end until it is scrolled. */
export function Timeline({ state, onPanel, finding, onFinding }: Props) {
  const { places } = useClient();
  const { seq: wanted } = useStore(places);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of items is what counts.
  const all = useMemo(() => shownItems(state), [state.items]);
  const scroller = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const folds = useRef(new Map<string, boolean>());
  const end = useStayAtEnd(scroller, content, wanted === null);
  const goTo = (index: number) => {
    end.leave();
    virtualizer.scrollToIndex(index, { align: "center" });
  };
  const find = useFind(all, goTo, () => onFinding(false));
  const { rows } = find;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimateHeight(rows[index]),
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 8,
  });
  // Two who correct the position would work against each other.
  virtualizer.shouldAdjustScrollPositionOnItemSizeChange = (item, _, instance) =>
    !end.staysAtEnd() && item.start < (instance.scrollOffset ?? 0);

  useKeptPosition(scroller, state.firstSeq, end.staysAtEnd);

  const isThere = wanted !== null && state.seq >= wanted && state.firstSeq <= wanted;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the event is there.
  useEffect(() => {
    if (!isThere || wanted === null) return;
    const index = rows.findLastIndex((row) => row.seq <= wanted);
    if (index >= 0) goTo(index);
  }, [isThere, wanted]);
  const wantedKey = wanted === null ? null : (rows.findLast((row) => row.seq <= wanted)?.key ?? null);
  const chosenKey = find.current ?? wantedKey;

  return (
    <>
      {(finding || find.isNarrowed) && <FindBar state={state} {...find.bar} />}
      <div className="relative min-h-0 grow basis-0">
        <section ref={scroller} {...end.handlers} className="scroller h-full" tabIndex={0} aria-label="Timeline">
          <div ref={content} className="mx-auto max-w-3xl px-3 py-4 md:px-5">
            <FoldsProvider value={folds.current}>
              {state.firstSeq > 1 && <Older state={state} downTo={wanted} />}
              {rows.length > 0 && (
                <div
                  role="feed"
                  aria-label="What happened"
                  className="relative"
                  style={{ height: virtualizer.getTotalSize() }}
                >
                  {virtualizer.getVirtualItems().map((row) => {
                    const item = rows[row.index];
                    if (!item) return null;
                    return (
                      <div
                        key={row.key}
                        ref={virtualizer.measureElement}
                        data-index={row.index}
                        className="absolute top-0 left-0 w-full"
                        style={{ transform: `translateY(${row.start}px)` }}
                      >
                        <article
                          tabIndex={0}
                          aria-posinset={row.index + 1}
                          aria-setsize={rows.length}
                          aria-label={`${item.kind} ${item.seq}`}
                          className={`group/row py-1 ${isWithdrawn(state, item.seq) ? "line-through opacity-60" : ""}
                          ${item.key === chosenKey ? "rounded-lg ring-2 ring-accent" : ""}`}
                        >
                          <Card item={item} state={state} onPanel={onPanel} />
                          <Comments state={state} place={rowPlace(item.seq)} target={{ seq: item.seq }} />
                        </article>
                      </div>
                    );
                  })}
                </div>
              )}
              <LiveTail state={state} />
            </FoldsProvider>
          </div>
        </section>
        {!end.isThere && (
          <button
            type="button"
            className="button absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-md"
            onClick={() => {
              places.go({ sessionId: state.sessionId, seq: null });
              end.go();
            }}
          >
            <ArrowDown size={15} aria-hidden /> Jump to the end
          </button>
        )}
      </div>
    </>
  );
}

/** What is seen stays where it is when older rows come above it. */
function useKeptPosition(
  scroller: React.RefObject<HTMLElement | null>,
  firstSeq: number,
  staysAtEnd: () => boolean,
): void {
  const drawn = useRef({ firstSeq, height: 0 });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const { firstSeq: before, height } = drawn.current;
    if (firstSeq < before && !staysAtEnd()) element.scrollTop += element.scrollHeight - height;
    drawn.current = { firstSeq, height: element.scrollHeight };
  });
}

/**
 * Stays at the end while more comes, until the person wants to go up. Rows that turn out to be of another height scroll it
 * too, so only what the person does says what is wanted.
 */
function useStayAtEnd(
  scroller: React.RefObject<HTMLElement | null>,
  content: React.RefObject<HTMLDivElement | null>,
  atFirst: boolean,
) {
  const [isThere, setIsThere] = useState(atFirst);
  const stays = useRef(atFirst);
  const lastTop = useRef(0);
  const toEnd = () => {
    const element = scroller.current;
    if (element && stays.current) element.scrollTop = element.scrollHeight;
  };
  useLayoutEffect(toEnd);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the elements stay the same.
  useEffect(() => {
    const watcher = new ResizeObserver(toEnd);
    for (const element of [scroller.current, content.current]) if (element) watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  const isNear = (element: HTMLElement) => element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
  const onScroll = () => {
    const element = scroller.current;
    if (!element) return;
    if (isNear(element) && element.scrollTop >= lastTop.current) stays.current = true;
    lastTop.current = element.scrollTop;
    setIsThere(stays.current || isNear(element));
  };
  const stay = () => {
    stays.current = true;
    setIsThere(true);
    toEnd();
  };
  const leave = () => {
    stays.current = false;
    // Perhaps it could not go up.
    setTimeout(() => scroller.current && isNear(scroller.current) && stay(), SETTLE_MS);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (!UPWARDS.has(event.key)) return;
    leave();
    if (event.key !== "Home" || !scroller.current) return;
    // The browser would glide there, and be stopped on the way by the first row that turns out to be of another height.
    event.preventDefault();
    scroller.current.scrollTop = 0;
  };
  const handlers = {
    onScroll,
    onWheel: (event: React.WheelEvent) => event.deltaY < 0 && leave(),
    onTouchMove: leave,
    onKeyDown,
    onPointerDown: (event: React.PointerEvent) => event.target === scroller.current && leave(), // Its scrollbar.
  };
  return { isThere, staysAtEnd: () => stays.current, handlers, go: stay, leave };
}
