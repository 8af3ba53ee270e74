"""A web page as text that reads well: headings, lists, links, and nothing of what only a browser needs.

The page is a stranger's: this takes time in proportion to its length, whatever is in it. The standard library's parser
takes hours for a page of a megabyte that is made for that.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urljoin

HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "select"})
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tr",
        "ul",
    ]
)
CLOSE_BLOCKS = frozenset({"li", "tr"})
"""Between two of these is no empty line."""
HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
MAX_TAG_CHARACTERS = 4_000
MAX_LINK_CHARACTERS = 500

TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)((?:[^>"']++|"[^"]*+"|'[^']*+')*+)>""")
ATTRIBUTE = re.compile(r"""([^\s=/>"']++)\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>"']++)""")
NOT_SHOWN = {"<!--": "-->", "<!": ">", "<?": ">"}


class Text(NamedTuple):
    text: str


class Tag(NamedTuple):
    name: str
    is_end: bool
    attributes: str

    def get(self, wanted: str) -> str:
        for name, value in ATTRIBUTE.findall(self.attributes):
            if name.lower() == wanted:
                return _unescape(value.strip("\"'"))
        return ""


def text_of(page: str, url: str) -> str:
    """``url`` is where the page is from: links are told in full."""
    writer = _Writer(url)
    for token in _tokens(page):
        match token:
            case Text():
                writer.write(_unescape(token.text))
            case Tag(is_end=True):
                writer.end(token.name)
            case Tag():
                writer.begin(token)
    return writer.text()


def _tokens(page: str) -> Iterator[Text | Tag]:
    """Every search either goes on behind what it found, or finds nothing and is the last."""
    position = 0
    while (opened := page.find("<", position)) >= 0:
        yield Text(page[position:opened])
        if tag := TAG.match(page, opened, opened + MAX_TAG_CHARACTERS):
            name, is_end, attributes = tag[2].lower(), bool(tag[1]), tag[3]
            position = tag.end()
            yield Tag(name, is_end, attributes)
            if name in HIDDEN and not is_end and not attributes.endswith("/"):
                ending = re.compile(f"</{name}", re.IGNORECASE).search(page, position)
                if ending is None:
                    return
                position = ending.start()
        elif ending_with := _ending_of(page, opened):
            found = page.find(ending_with, opened)
            if found < 0:
                return
            position = found + len(ending_with)
        else:
            yield Text("<")
            position = opened + 1
    yield Text(page[position:])


def _ending_of(page: str, opened: int) -> str | None:
    """Of what is not shown, or is a tag that goes on for too long; ``None`` for a plain character."""
    for beginning, ending in NOT_SHOWN.items():
        if page.startswith(beginning, opened):
            return ending
    following = page[opened + 1 : opened + 3].lstrip("/")[:1]
    return ">" if following.isascii() and following.isalpha() else None


def _unescape(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # It has the number of a character with thousands of digits.
        return text


class _Writer:
    def __init__(self, url: str) -> None:
        self._url = url
        self._title: list[str] = []
        self._parts: list[str] = []
        self._in_title = False
        self._preformatted = False
        self._link = ""

    def begin(self, tag: Tag) -> None:
        if tag.name == "title":
            self._in_title = True
        elif tag.name == "br":
            self._parts.append("\n")
        elif tag.name == "a":
            self._end_link()
            self._link = self._address(tag.get("href"))
            self._parts.append("[" if self._link else "")
        elif tag.name == "img" and (described := tag.get("alt")):
            self._parts.append(f"[image: {described}]")
        elif tag.name in ("td", "th"):
            self._parts.append(" | ")
        elif tag.name in BLOCKS:
            self._begin_block(tag.name)

    def _begin_block(self, name: str) -> None:
        self._parts.append("\n" if name in CLOSE_BLOCKS else "\n\n")
        if name in HEADINGS:
            self._parts.append(f"{HEADINGS[name]} ")
        elif name == "li":
            self._parts.append("- ")
        elif name == "pre":
            self._preformatted = True
            self._parts.append("```\n")

    def end(self, name: str) -> None:
        if name == "title":
            self._in_title = False
        elif name == "a":
            self._end_link()
        elif name == "pre" and self._preformatted:
            self._preformatted = False
            self._parts.append("\n```\n\n")
        elif name in BLOCKS:
            self._parts.append("\n" if name in CLOSE_BLOCKS else "\n\n")

    def write(self, text: str) -> None:
        if self._in_title:
            self._title.append(text)
        elif self._preformatted:
            self._parts.append(text)
        elif words := re.sub(r"\s+", " ", text):
            at_beginning = not self._parts or self._parts[-1].endswith("\n")
            self._parts.append(words.lstrip() if at_beginning else words)

    def _end_link(self) -> None:
        if self._link:
            self._parts.append(f"]({self._link})")
            self._link = ""

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
