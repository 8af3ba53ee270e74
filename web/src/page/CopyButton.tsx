import { Check, Copy } from "lucide-react";
import { type ReactNode, useState } from "react";

/** Stands in the corner of what it copies. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  if (!navigator.clipboard) return null; // Browsers have it only where the connection is safe.
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button
      type="button"
      onClick={copy}
      aria-label={copied ? "Copied" : label}
      className="absolute top-1.5 right-1.5 grid size-7 place-items-center rounded-md border border-line bg-surface
        text-muted opacity-0 transition-opacity group-hover:opacity-100 focus-visible:opacity-100 hover:text-ink"
    >
      {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
    </button>
  );
}

/** A button with words, for what is copied whole. */
export function CopyWords({ text, children }: { text: string; children: ReactNode }) {
  const [copied, setCopied] = useState(false);
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button type="button" className="button" onClick={copy}>
      {copied ? "Copied" : children}
    </button>
  );
}
