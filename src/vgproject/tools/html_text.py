"""A web page as text that reads well: headings, lists, links, and nothing of what only a browser needs."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "select"})
BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tr", "ul"]
)
HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
MAX_LINK_CHARACTERS = 500


def text_of(html: str, url: str) -> str:
    """``url`` is where the page is from: links are told in full."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._url = url
        self._title: list[str] = []
        self._parts: list[str] = []
        self._in_title = False
        self._hidden: list[str] = []
        self._preformatted = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden or tag in HIDDEN:
            if tag in HIDDEN:
                self._hidden.append(tag)
            return
        if tag == "title":
            self._in_title = True
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "a":
            self._links.append(self._address(dict(attrs).get("href") or ""))
            self._parts.append("[" if self._links[-1] else "")
        elif tag == "img" and (described := dict(attrs).get("alt")):
            self._parts.append(f"[image: {described}]")
        elif tag in ("td", "th"):
            self._parts.append(" | ")
        elif tag in BLOCKS:
            self._begin_block(tag)

    def _begin_block(self, tag: str) -> None:
        self._parts.append("\n\n" if tag != "li" and tag != "tr" else "\n")
        if tag in HEADINGS:
            self._parts.append(f"{HEADINGS[tag]} ")
        elif tag == "li":
            self._parts.append("- ")
        elif tag == "pre":
            self._preformatted += 1
            self._parts.append("```\n")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
        elif tag == "title":
            self._in_title = False
        elif tag == "a" and self._links:
            address = self._links.pop()
            self._parts.append(f"]({address})" if address else "")
        elif tag == "pre" and self._preformatted:
            self._preformatted -= 1
            self._parts.append("\n```\n\n")
        elif tag in BLOCKS:
            self._parts.append("\n" if tag in ("li", "tr") else "\n\n")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._in_title:
            self._title.append(data)
        else:
            self._parts.append(data if self._preformatted else re.sub(r"\s+", " ", data))

    def _address(self, target: str) -> str:
        if not target or target.startswith("#") or len(target) > MAX_LINK_CHARACTERS:
            return ""
        try:
            address = urljoin(self._url, target)
        except ValueError:
            return ""
        return address if address.startswith(("http://", "https://")) else ""

    def text(self) -> str:
        title = " ".join("".join(self._title).split())
        lines = (line.rstrip() for line in "".join(self._parts).split("\n"))
        body = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        return f"{title}\n\n{body}".strip()
