/** A value that the page watches, and nothing more. */
import { useSyncExternalStore } from "react";

export class Store<T> {
  readonly #watchers = new Set<() => void>();

  constructor(private value: T) {}

  readonly get = (): T => this.value;

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const watcher of this.#watchers) watcher();
  }

  /** Returns what ends the watching. */
  readonly watch = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  };
}

/** The store's value; a component is drawn again when it has changed. */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.watch, store.get);
}
