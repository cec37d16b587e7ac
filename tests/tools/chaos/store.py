"""An S3 server (moto's) behind a proxy that loses requests and answers, fails, and is slow."""

from __future__ import annotations

import http.client
import logging
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

HAND = 20
FATES = {"500": 1, "503": 1, "lost": 1, "answer lost": 1, "answered 500": 1, "slow": 1}
"""What befalls requests, each so often among `HAND` of them."""

Fate = Callable[[str, str], str]
"""Method and path of a request -> what befalls it: one of `FATES`, or "" for nothing."""


def dealt(seed: int, fates: Mapping[str, int] = FATES) -> Fate:
    """Fates like cards: how many there are is certain, when they come is drawn."""
    draw, lock = random.Random(seed), threading.Lock()
    whole = [name for name, number in fates.items() for _ in range(number)]
    whole += [""] * (HAND - len(whole))
    cards: list[str] = []

    def fate(method: str, path: str) -> str:
        with lock:
            if not cards:
                cards.extend(draw.sample(whole, HAND))
            return cards.pop()

    return fate


class Proxy(ThreadingHTTPServer):
    """Passes requests on to the server, or not."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = host, port
        self.bucket = f"bucket-{secrets.token_hex(4)}"  # moto's servers of one process share their buckets
        self.fate: Fate = lambda method, path: ""
        self.befell: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """Of a run in the bucket."""
        return f"s3://{self.bucket}/run"


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate = self.server.fate(self.command, self.path)
        self.server.befell[fate] += 1
        if fate in ("500", "503"):
            return self._answer(int(fate), b"", {})
        if fate == "lost":
            return self._hang_up()
        if fate == "slow":
            time.sleep(0.2)
        status, data, headers = self._ask(body)
        if fate == "answer lost":
            return self._hang_up()
        if fate == "answered 500":
            return self._answer(500, b"", {})
        return self._answer(status, data, headers)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815

    def _ask(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(*self.server.target)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def _answer(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def served() -> Iterator[tuple[Proxy, dict[str, str]]]:
    """A proxy before a server with an empty bucket, and the environment variables that lead there."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    proxy = Proxy(*server.get_host_and_port())
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    urlopen(Request(f"{proxy.address}/{proxy.bucket}", method="PUT")).close()
    variables = {
        "AWS_ENDPOINT_URL": proxy.address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    try:
        yield proxy, variables
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.stop()
