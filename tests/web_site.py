"""A real web site on this machine, for tests; it remembers what it was asked."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = b"""<!doctype html><html><head><title>The  moon</title><style>p {}</style></head><body>
<script>alert("no")</script><h1>Facts</h1><p>It is <b>far</b> &amp; cold,
says <a href="/about?x=1&amp;y=2">this page</a>.</p><ul><li>One<li>Two</ul><!-- hidden -->
<pre>a
  b</pre><img src=x alt="A crater"></body></html>"""

PAGES = {
    "/page": (PAGE, "text/html; charset=utf-8"),
    "/long": (b"".join(b"%07d\n" % number for number in range(10_000)), "text/plain"),
    "/latin": ("Größe".encode("latin-1"), "text/plain; charset=latin-1"),
    "/picture": (b"\x89PNG", "image/png"),
}


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        """The path and the Host of each request."""
        self.headers_seen: list[dict[str, str]] = []
        self.redirect_to = "/page"
        self.released = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (named so by the library)
        return

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"]))
        self.server.headers_seen.append(dict(self.headers))
        url = urlsplit(self.path)
        if url.path == "/slow":
            self.server.released.wait()
        elif url.path == "/redirect":
            self._answer(b"", "text/plain", ("Location", self.server.redirect_to), status=302)
        elif url.path == "/search":
            self._answer(json.dumps(self._found(parse_qs(url.query))).encode(), "application/json")
        elif url.path == "/brave":
            found = self._found(parse_qs(url.query), "description")
            self._answer(json.dumps({"web": found}).encode(), "application/json")
        elif url.path == "/compressed":
            self._answer(gzip.compress(bytes(1_000_000)), "text/plain", ("Content-Encoding", "gzip"))
        elif url.path in PAGES:
            self._answer(*PAGES[url.path])
        else:
            self._answer(b"gone", "text/plain", status=404)

    def _found(self, query: dict[str, list[str]], extract: str = "content") -> dict[str, object]:
        word = query["q"][0]
        results = [{"title": f"{word} {n}", "url": f"https://x.example/{n}", extract: "Far\n away"} for n in range(30)]
        return {"results": [*results, "nonsense"]}

    def _answer(self, content: bytes, kind: str, *headers: tuple[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def open_site() -> Iterator[Site]:
    with Site() as site:
        serving = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield site
        finally:
            site.released.set()
            site.shutdown()
            serving.join()
