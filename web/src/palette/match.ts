/** What is meant by what is typed. */

export interface Worded {
  readonly word: string;
  /** Other words for it, and where it is. */
  readonly about?: string;
}

/** Those that have all that was typed, in whatever order; those first that begin with it, then those whose own word has it. */
export function matching<T extends Worded>(all: readonly T[], typed: string): T[] {
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = ({ word }: T) => {
    const own = word.toLowerCase();
    if (own.startsWith(parts.join(" "))) return 0;
    return parts.every((part) => own.includes(part)) ? 1 : 2;
  };
  const found = all.filter(({ word, about = "" }) => {
    const text = `${word} ${about}`.toLowerCase();
    return parts.every((part) => text.includes(part));
  });
  return parts.length ? found.sort((one, other) => rank(one) - rank(other)) : found;
}
