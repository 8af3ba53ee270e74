/** Colours for code. A chunk of its own, loaded when the first block of code is shown. */
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const LANGUAGES = {
  bash,
  cpp,
  css,
  diff,
  go,
  ini,
  java,
  javascript,
  json,
  markdown,
  python,
  rust,
  sql,
  typescript,
  xml,
  yaml,
};
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

export interface Painted {
  readonly text: string;
  readonly scope: string;
}

interface Node {
  scope?: string;
  children: (Node | string)[];
}

/** `null` for a language that is not known here. */
export function highlight(text: string, language: string): Painted[] | null {
  const name = language.split(/\s/)[0] ?? "";
  if (!hljs.getLanguage(name)) return null;
  const tree = hljs.highlight(text, { language: name, ignoreIllegals: true })._emitter as unknown as { rootNode: Node };
  return flatten(tree.rootNode, "");
}

function flatten(node: Node, outer: string): Painted[] {
  const scope = node.scope ? `hl-${node.scope.split(".")[0]}` : outer;
  return node.children.flatMap((child) => (typeof child === "string" ? { text: child, scope } : flatten(child, scope)));
}
