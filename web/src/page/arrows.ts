/** Keys that go from one of several things to another. */

/** The place that a key leads to, round the end; `null` where it is no such key. */
export function placeAfter(
  key: string,
  at: number,
  count: number,
  keys: { next: string; last: string },
): number | null {
  switch (key) {
    case keys.next:
      return (at + 1) % count;
    case keys.last:
      return (Math.max(at, 0) - 1 + count) % count;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}
