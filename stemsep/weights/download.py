"""An address -> a complete, verified file on disk.

What has come is kept in ``NAME.part`` beside the file until all of it is there and its digest is
right; only then does it get its name. A connection that breaks or stalls is taken up again where
it stopped, in the same run or in a later one. Neither the server's word on the length nor what it
sends is trusted: with a digest, a wrong file never gets its name.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError
from urllib3.util import Retry, Timeout, make_headers, parse_url

from stemsep.errors import DownloadError, ParameterError
from stemsep.weights.digest import file_digest
from stemsep.weights.partial import Partial, open_partial

__all__ = ["Progress", "download"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and all of them where the server says how many."""

CONNECT_SECONDS = 15.0
MOST_REDIRECTS = 10
BLOCK_BYTES = 1 << 16
RETRIES = Retry(
    total=None,
    connect=3,
    read=5,
    status=3,
    redirect=0,
    other=0,
    status_forcelist=(429, 500, 502, 503, 504),
    backoff_factor=0.5,
    backoff_max=10,
    respect_retry_after_header=False,  # a server may not make a user wait for hours
)
"""How often in a row each kind of failure is forgiven."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    offline: bool = False,
    stall_seconds: float = 30.0,
) -> Path:
    """Return ``path``, once it holds the whole of what ``url`` names.

    A file that is there already is taken as it is (if its digest is right). The proxies of the
    environment (``https_proxy``, ``no_proxy``, ...) are used.

    Args:
        url: ``https://`` or ``http://``.
        path: of the file; its folder is made if missing.
        sha256: digest that the file must have, in hex, or its first 8 digits or more. Without it
            a server that sends something else, or less without saying how much there is, goes
            unnoticed.
        progress: called as bytes come.
        offline: do not use the network.
        stall_seconds: how long a server may say nothing before the connection is given up and
            made again.

    Raises:
        DownloadError: no connection, an answer that is not the file, another digest, a full disk,
            another process at work on the same file, or ``offline`` and no such file.
        ParameterError: an address of another kind, or a digest that is none.
    """
    _check_address(url)
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise ParameterError(f"sha256 = '{sha256}': give 8 to 64 hex digits")
    if path.exists():
        if sha256 is not None and not file_digest(path).startswith(sha256.lower()):
            raise DownloadError(f"'{path}' is not what {url} should be: remove it and try again")
        return path
    if offline:
        raise DownloadError(f"offline, and '{path}' is not here: fetch {url} and put it there")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_partial(path) as partial, _connections(url, stall_seconds) as http:
            resumed = partial.resume(url, verifiable=sha256 is not None)
            _fetch(http, url, partial, progress or (lambda _here, _total: None))
            if resumed and not partial.has(sha256):  # the old part may be to blame
                partial.restart()
                _fetch(http, url, partial, progress or (lambda _here, _total: None))
            partial.finish(url, path, sha256)
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(f"cannot write '{path}': {error.strerror or error}") from error
    return path


def _check_address(url: str) -> None:
    with suppress(ValueError):  # such as "http://["
        if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname:
            return
    raise ParameterError(f"'{url}' is no address to download from: give https://...")


@contextmanager
def _connections(url: str, stall_seconds: float) -> Iterator[urllib3.PoolManager]:
    """Give a pool of connections, through the proxy that the environment names for that host."""
    parts = urlsplit(url)
    proxies, host = getproxies(), parts.hostname or ""
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    timeout = Timeout(connect=min(CONNECT_SECONDS, stall_seconds), read=stall_seconds)
    try:
        if proxy and host not in LOOPBACK and not proxy_bypass(host):
            proxy = proxy if "://" in proxy else f"http://{proxy}"
            secret = parse_url(proxy).auth
            headers = make_headers(proxy_basic_auth=secret) if secret else None
            pool: urllib3.PoolManager = urllib3.ProxyManager(
                proxy, proxy_headers=headers, timeout=timeout
            )
        else:
            pool = urllib3.PoolManager(timeout=timeout)
    except HTTPError as error:
        raise DownloadError(f"cannot use the proxy '{proxy}': {error}") from error
    with pool:
        yield pool


def _fetch(http: urllib3.PoolManager, url: str, partial: Partial, progress: Progress) -> None:
    """Bring the partial file to its full length, however often the connection breaks."""
    retries = RETRIES
    while True:
        before = partial.size
        try:
            if _fetch_rest(http, url, partial, progress):
                return
            error: Exception = HTTPError("the server sends something else than it promises")
        except MaxRetryError as exhausted:
            raise DownloadError(f"cannot fetch {url}: {_reason(exhausted)}") from exhausted
        except HTTPError as broken:
            error = broken
        if partial.size - before >= BLOCK_BYTES:
            retries = RETRIES
        try:
            retries = retries.increment("GET", url, error=ProtocolError(str(error)))
        except MaxRetryError:
            raise DownloadError(
                f"cannot fetch all of {url}: {_reason(error)}; "
                f"{partial.size:,} bytes are kept, the same command goes on from there"
            ) from error
        retries.sleep()


def _fetch_rest(http: urllib3.PoolManager, url: str, partial: Partial, progress: Progress) -> bool:
    """Ask for what is missing and write it; return False if something is missing still."""
    here = partial.size
    headers = {"Accept-Encoding": "identity", "User-Agent": "stemsep"}
    if here:
        headers["Range"] = f"bytes={here}-"
        if partial.validator:
            headers["If-Range"] = partial.validator
    with closing(_open(http, url, headers)) as response:
        total = _total(response)
        if response.status == 416 and here == total:
            return True  # nothing was missing
        if _start(response) not in (0, here):
            partial.restart()
            return False
        if _start(response) == 0:
            partial.restart()
        _make_room(partial, total)
        partial.remember(url, _validator(response))
        _receive(response, partial, total, progress)
    if total is not None and partial.size > total:
        partial.restart()
    return total is None or partial.size == total


def _open(
    http: urllib3.PoolManager, url: str, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse:
    """Return a server's answer, its body not read yet, after following redirects."""
    address = url
    for _ in range(MOST_REDIRECTS):
        response = http.request(
            "GET", address, headers=headers, retries=RETRIES, redirect=False, preload_content=False
        )
        location = response.get_redirect_location()
        if not location and response.status in (200, 206, 416):
            return response
        response.close()
        if not location:
            raise DownloadError(
                f"cannot fetch {url}: the server says {response.status} {response.reason or ''}"
            )
        address = _redirected(url, address, location)
    raise DownloadError(f"cannot fetch {url}: it leads from one address to the next without end")


def _redirected(url: str, address: str, location: str) -> str:
    """Return where a redirect leads to."""
    with suppress(ValueError, ParameterError):
        following = urljoin(address, location)
        _check_address(following)
        if address.startswith("https:") and not following.startswith("https:"):
            raise DownloadError(f"{url} leads to an address without encryption: refused")
        return following
    raise DownloadError(f"cannot fetch {url}: it leads to '{location}', which is no address")


def _receive(
    response: urllib3.BaseHTTPResponse, partial: Partial, total: int | None, progress: Progress
) -> None:
    """Write what comes; bytes that came before an error are kept."""
    try:
        progress(partial.size, total)
        # `read1` gives what has come; `read` would lose up to a block of it when the server stalls.
        while block := response.read1(BLOCK_BYTES, decode_content=False):
            partial.file.write(block)
            progress(partial.file.tell(), total)
    finally:
        partial.file.flush()


def _start(response: urllib3.BaseHTTPResponse) -> int:
    """Return which byte of the file the answer starts with, -1 where it has none of it."""
    if response.status == 200:
        return 0
    found = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _total(response: urllib3.BaseHTTPResponse) -> int | None:
    """Return how many bytes the whole file has, where the server says it."""
    if response.status == 200:
        found = re.fullmatch(r"(\d{1,18})", response.headers.get("Content-Length", ""))
    else:
        found = re.search(r"/(\d{1,18})$", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _validator(response: urllib3.BaseHTTPResponse) -> str:
    tag = response.headers.get("ETag", "")
    # RFC 9110, 13.1.5: a weak tag must not be used to go on with a file.
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _make_room(partial: Partial, total: int | None) -> None:
    missing = (total or 0) - partial.size
    free = shutil.disk_usage(partial.path.parent).free
    if missing > free:
        raise DownloadError(
            f"'{partial.path.parent}' has {free / 1e6:,.0f} MB free and {missing / 1e6:,.0f} MB "
            "are to come: make room, or choose another folder"
        )


def _reason(error: BaseException) -> str:
    """Return what is behind urllib3's nested errors, on one line."""
    while isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    text = str(error)
    text = re.sub(r"^<.*?>: |^HTTPS?Connection(Pool)?\(.*?\): ", "", text)
    return " ".join(text.split())
