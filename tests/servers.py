"""An HTTP server on this machine that serves files, and misbehaves when told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Handler", bytes], None]
"""What is done instead of a good answer; given the bytes that were asked for."""


@dataclass
class Server:
    """What the server has, and what it has been asked.

    ``faults`` are used up one a request, the first first; then answers are good.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault | None] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def asked(self, header: str) -> list[str]:
        """Return a header of each request, empty where there was none."""
        return [headers.get(header, "") for _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    state: Server
    start = 0
    total = 0

    def do_GET(self) -> None:
        state = self.state
        state.requests.append((self.path, dict(self.headers)))
        fault = state.faults.pop(0) if state.faults else None
        body = state.files.get(self.path)
        if body is None and fault is None:
            self.send_error(404)
            return
        body = body or b""
        self.total = len(body)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, state.tags.get(self.path))
        self.start = int(wanted[1]) if wanted and state.ranges and same else 0
        if fault is not None:
            fault(self, body[self.start :])
        elif self.start and self.start >= self.total:
            self.answer(416, b"", {"Content-Range": f"bytes */{self.total}"})
        else:
            self.good(body[self.start :], len(body) - self.start)

    def good(self, body: bytes, promised: int) -> None:
        """Send an answer as it should be, apart from what is promised."""
        headers = {"ETag": self.state.tags[self.path]} if self.path in self.state.tags else {}
        if self.start:
            headers["Content-Range"] = f"bytes {self.start}-{self.total - 1}/{self.total}"
        self.answer(206 if self.start else 200, body, headers, promised)

    def answer(
        self, status: int, body: bytes, headers: dict[str, str], promised: int | None = None
    ) -> None:
        """Send any answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        with suppress(OSError):  # the other side may hang up at any time
            self.wfile.write(body)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def cut(after: int) -> Fault:
    """Break the connection after some bytes."""
    return lambda handler, body: handler.good(body[:after], len(body))


def stall(after: int) -> Fault:
    """Send some bytes, then nothing, without hanging up."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.good(body[:after], len(body))
        handler.state.closing.wait(60)

    return fault


def chunked(after: int) -> Fault:
    """Send the bytes in chunks, without saying how many there are, and stop after some."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for start in range(0, after, 50_000):
            piece = body[start : min(after, start + 50_000)]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n" if after >= len(body) else b"")
        handler.close_connection = True

    return fault


def redirect(url: str) -> Fault:
    return lambda handler, _: handler.answer(302, b"", {"Location": url})


def promise(length: int) -> Fault:
    """Lie about the length."""
    return lambda handler, body: handler.good(body, length)


def status(code: int) -> Fault:
    return lambda handler, _: handler.answer(code, b"no", {})


def send(body: bytes) -> Fault:
    """Send other bytes than the file's."""
    return lambda handler, _: handler.answer(200, body, {})


@contextmanager
def serving(files: dict[str, bytes] | None = None) -> Iterator[Server]:
    """Run a server for the length of a block."""
    state = Server(files=dict(files or {}))
    handler = type("Bound", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.closing.set()
            server.shutdown()
            thread.join()
