/** Text that comes in pieces. A piece says how many characters came before it; the server counts code points. */
import type { LiveText } from "./session";

interface Piece {
  offset: number;
  text: string;
}

/** `null` where a piece before this one is missing: the server then tells the text again from its beginning. */
export function appendText(
  known: LiveText | undefined,
  about: Pick<LiveText, "kind" | "messageId" | "tool">,
  piece: Piece,
): LiveText | null {
  const length = known?.length ?? 0;
  if (piece.offset > length) return null;
  const before = piece.offset === length ? (known?.text ?? "") : firstCharacters(known?.text ?? "", piece.offset);
  return { ...about, text: before + piece.text, length: piece.offset + countCharacters(piece.text) };
}

const SURROGATES = /[\ud800-\udfff]/;

export function countCharacters(text: string): number {
  return SURROGATES.test(text) ? Array.from(text).length : text.length;
}

function firstCharacters(text: string, count: number): string {
  return SURROGATES.test(text) ? Array.from(text).slice(0, count).join("") : text.slice(0, count);
}
