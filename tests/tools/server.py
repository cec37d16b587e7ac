"""A server that speaks OpenAI's protocol on the loopback, and plays tricks."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Trick = Callable[["Handler"], None]
"""What the server does in place of answering."""


class Server(ThreadingHTTPServer):
    """Answers as `says` of prompt and seed, at first by a hash. `tricks` are played once each, per text that a prompt
    holds; what `always` names for a request's body is played whenever it comes."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.tricks: dict[str, list[Trick]] = defaultdict(list)
        self.bodies: list[dict[str, Any]] = []
        self.tried: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: list[str | None] = []
        self.under_way = self.most = 0
        self.delay = 0.0
        self.models = 200
        self.always: Callable[[dict[str, Any]], Trick | None] = lambda body: None
        self.says: Callable[[str, int], str] = text_for  # of prompt and seed
        self.context: object = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def trick(self, prompt: str) -> Trick | None:
        with self.lock:
            for text, tricks in self.tricks.items():
                if text in prompt and tricks:
                    return tricks.pop(0)
        return None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        if not self.path.endswith("/v1/models"):
            self.reply({"detail": "Not Found"}, 404)
            return
        self.reply({"data": [{"id": "m", "max_model_len": self.server.context}, {"id": "another"}]}, self.server.models)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        sent = self.rfile.read(length)
        if len(sent) < length:
            raise ConnectionResetError("the client hung up within its request")
        body = json.loads(sent)
        if body.get("max_tokens") == 1:  # asked for to see whether the server serves at all
            self.server.tried.append(body)
            self.answer(body)
            return
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.times.append(time.monotonic())
            self.server.keys.append(self.headers["Authorization"])
            self.server.under_way += 1
            self.server.most = max(self.server.most, self.server.under_way)
        try:
            time.sleep(self.server.delay * random.random())
            self.answer(body)
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def answer(self, body: dict[str, Any]) -> None:
        chat = "messages" in body
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        if self.path != ("/v1/chat/completions" if chat else "/v1/completions"):
            self.reply({"detail": "Not Found"}, 404)
        elif always := self.server.always(body):
            always(self)
        elif trick := self.server.trick(prompt):
            trick(self)
        else:
            self.reply(choice(self.server.says(prompt, body.get("seed", 0)), chat=chat))

    def reply(self, answer: object, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(answer).encode(), status, **headers)

    def send(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def text_for(prompt: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {prompt}".encode()).hexdigest()


def choice(text: str | None, finish: str = "stop", chat: bool = False, usage: object = None) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {"choices": [{"index": 0, "finish_reason": finish, **said}], **({"usage": usage} if usage else {})}


def saying(answer: object, status: int = 200, **headers: str) -> Trick:
    return lambda handler: handler.reply(answer, status, **headers)


def error(status: int, message: str = "no", **headers: str) -> Trick:
    return saying({"error": {"message": message}}, status, **headers)


@contextmanager
def serving() -> Iterator[Server]:
    """A server for a while."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
