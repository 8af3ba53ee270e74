/** Markdown as React elements: what an agent writes is never put into the page as HTML. */
import { marked, type Token, type Tokens } from "marked";
import { Fragment, memo, type ReactNode } from "react";
import { Code } from "./Code";
import { Scroller } from "./Scroller";

/** Each block is drawn again only when its own source changes: while a text is streamed, that is the last one. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const blocks = marked.lexer(text);
  return (
    <div className="prose">
      {blocks.map((block, index) => (
        <Block key={index} raw={block.raw} token={block} />
      ))}
    </div>
  );
});

const Block = memo(
  function Block({ token }: { raw: string; token: Token }) {
    return drawBlock(token as Tokens.Generic);
  },
  (before, after) => before.raw === after.raw,
);

function drawBlock(token: Tokens.Generic): ReactNode {
  switch (token.type) {
    case "heading": {
      // The page has headings of its own above these.
      const Heading = `h${Math.min(token.depth + 2, 6)}` as "h3";
      return <Heading>{inline(token.tokens)}</Heading>;
    }
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "text":
      return token.tokens ? inline(token.tokens) : token.text;
    case "code":
      return <Code text={token.text} language={token.lang ?? ""} />;
    case "blockquote":
      return <blockquote>{blocks(token.tokens)}</blockquote>;
    case "list":
      return list(token as Tokens.List);
    case "table":
      return table(token as Tokens.Table);
    case "hr":
      return <hr />;
    case "space":
    case "def":
      return null;
    default:
      return <p>{token.raw}</p>;
  }
}

const blocks = (tokens: Token[] = []) =>
  tokens.map((token, index) => <Fragment key={index}>{drawBlock(token as Tokens.Generic)}</Fragment>);

function list(token: Tokens.List): ReactNode {
  const items = token.items.map((item, index) => (
    <li key={index}>
      {item.task && <span aria-hidden="true">{item.checked ? "☑ " : "☐ "}</span>}
      {blocks(item.tokens.filter((part) => part.type !== "checkbox"))}
    </li>
  ));
  return token.ordered ? <ol start={token.start || 1}>{items}</ol> : <ul>{items}</ul>;
}

function table(token: Tokens.Table): ReactNode {
  return (
    <Scroller label="Table">
      <table>
        <thead>
          <tr>
            {token.header.map((cell, index) => (
              <th key={index} scope="col">
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, place) => (
                <td key={place}>{inline(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

function inline(tokens: Token[] = []): ReactNode {
  return tokens.map((token, index) => <Fragment key={index}>{drawInline(token as Tokens.Generic)}</Fragment>);
}

function drawInline(token: Tokens.Generic): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens)}</strong>;
    case "em":
      return <em>{inline(token.tokens)}</em>;
    case "del":
      return <del>{inline(token.tokens)}</del>;
    case "codespan":
      return <code>{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return link(token);
    case "image": // Nothing is fetched from elsewhere.
      return token.text || token.href;
    case "text":
    case "escape":
      return token.tokens ? inline(token.tokens) : token.text;
    default:
      return token.raw;
  }
}

function link(token: Tokens.Generic): ReactNode {
  const label = inline(token.tokens);
  if (!/^https?:\/\//i.test(token.href)) return label;
  return (
    <a href={token.href} target="_blank" rel="noreferrer noopener">
      {label}
    </a>
  );
}
