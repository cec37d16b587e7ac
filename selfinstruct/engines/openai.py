"""The engine that asks a server which speaks OpenAI's HTTP protocol: vLLM, SGLang, llama.cpp, OpenAI itself.

- A base set's prompt goes to `/completions` whole, a chat set's to `/chat/completions` as one user message, after the
  set's system message if it has one; `--openai.endpoint` overrules that. `--model` is the model's name on the server.
- Fields that only some servers know are sent when they are asked for: `chat_template_kwargs`, `response_format`, and
  whatever `--openai.body` names.
- What a server's reasoning parser has put apart from the answer is not kept.
- At most `concurrency` requests are under way. Each is asked again, after a random and growing while or when the server
  says (Retry-After), as long as the fault is not its own: no connection, no whole answer within `timeout` seconds,
  status 408, 409, 429 or 5xx, an answer that is no completion. When `retries` are used up the engine fails
  (`FailureError`) and is closed; the request is not blamed.
- A request that the server refuses as such (400, 413, 422 ...) fails alone. 401, 403 and 404 end the work with an
  `InputError`: every other request would meet them too.
- A text is cut before its earliest stop string here as well: servers take four at most, or show them.
- A completion is as reproducible as the server: the request's seed is sent, in 31 bits. Options that the prompt set
  leaves neutral (penalties of 0, top_p at temperature 0) are not sent, for some servers refuse them.
- The key is read from the environment or a file where the engine runs. It stands in a header and nowhere else; what a
  server says is searched for it before it is shown.

Requests run on an event loop in a thread of their own, so the server stays busy between two steps.

This file imports no HTTP client until one is needed: its traits are asked for by commands that ask no server.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import random
import ssl
import threading
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.engines.settings import EMBEDDED, EngineSettings, OpenAIOptions, Traits
from selfinstruct.errors import FailureError, InputError
from selfinstruct.prompts import PromptSet, Sampling
from selfinstruct.records import Completion, Finish, Request, mended
from selfinstruct.sources.options import named_values

if TYPE_CHECKING:
    import httpx2
    from tenacity import RetryCallState

ENDPOINTS = ("auto", "completions", "chat")

STOPS = 4
"""Stop strings that OpenAI's own server takes."""

WAIT = 0.1
"""Seconds that a step waits for an answer."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds: the bound of the random wait before the second attempt, doubled each time, and the bound of all bounds."""

PATIENCE = 600.0
"""A server that asks for more seconds than this has failed."""

GREETING = 10.0
"""Seconds in which a server must say something before any work is begun."""


def traits(settings: EngineSettings) -> Traits:
    """The model is the server's affair."""
    return Traits()


def identify(settings: EngineSettings) -> dict[str, str]:
    """The model's name and the endpoint as asked for. Where the server is leaves the data alone.

    Raises:
        InputError: an option is wrong, or the server cannot be reached or refuses the key.
    """
    try:
        _greet(settings)
    except FailureError as error:
        raise InputError(str(error)) from error
    options = settings.openai
    identity = {"engine": "openai", "model": settings.model, "endpoint": options.endpoint}
    if options.body:
        identity["body"] = json.dumps(named_values("openai.body", options.body), sort_keys=True)
    if options.structured:
        identity["structured"] = "true"
    return identity


def open_engine(settings: EngineSettings, prompts: PromptSet) -> OpenAIEngine:
    """Look whether the server is there, and begin to listen for requests.

    Raises:
        InputError: an option is wrong, the server refuses the key, or says that its context cannot hold the prompts.
        FailureError: the server cannot be reached.
    """
    import httpx2

    _check_context(settings.model, _greet(settings), prompts)
    options = settings.openai
    api = Api(settings, prompts)
    client = httpx2.AsyncClient(
        headers=_headers(options),
        verify=_tls(),
        timeout=options.timeout,
        limits=httpx2.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency),
    )
    return OpenAIEngine(api, client, options)


class OpenAIEngine:
    """Implements `protocols.Engine`.

    Args:
        api: Puts requests into the server's words and reads its answers.
        client: Sends them; the engine closes it.
        options: Bounds.
    """

    def __init__(self, api: Api, client: httpx2.AsyncClient, options: OpenAIOptions) -> None:
        self._held = 0
        self._failure: Exception | None = None
        self._worker = _Worker(api, client, options)
        self._end = weakref.finalize(self, self._worker.close)

    def add(self, requests: Sequence[Request]) -> None:
        """Begin to send requests."""
        self._held += len(requests)
        self._worker.send(requests)

    def step(self) -> list[Completion]:
        """What has been answered; waits a moment for it while requests are under way.

        Raises:
            InputError: the server refuses the key, or knows no such model.
            FailureError: it gave no usable answer to a request, however often asked.
        """
        completions = []
        wait = WAIT
        while self._held and self._failure is None:
            try:
                answer = self._worker.answers.get(timeout=wait) if wait else self._worker.answers.get_nowait()
            except queue.Empty:
                break
            wait = 0.0
            if isinstance(answer, Exception):
                self._failure = answer
            else:
                self._held -= 1
                completions.append(answer)
        if self._failure is not None and not completions:  # what is paid for is handed over first
            self.close()
            raise self._failure
        return completions

    def close(self) -> None:
        """Drop what is under way, and the connections."""
        self._end()


class _Worker:
    """A thread with an event loop that sends requests and puts into `answers` what came of each.

    It knows nothing of its engine, so that an engine nobody holds any more ends it.
    """

    def __init__(self, api: Api, client: httpx2.AsyncClient, options: OpenAIOptions) -> None:
        self.answers: queue.SimpleQueue[Completion | Exception] = queue.SimpleQueue()
        self._api = api
        self._client = client
        self._options = options
        self._slots = asyncio.Semaphore(options.concurrency)
        self._closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="openai", daemon=True)
        self._thread.start()

    def send(self, requests: Sequence[Request]) -> None:
        self._loop.call_soon_threadsafe(self._begin, tuple(requests))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closed.set)
        if threading.current_thread() is not self._thread:  # a collector of garbage may run anywhere
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._until_closed())
        finally:
            self._loop.close()

    async def _until_closed(self) -> None:
        async with self._client:
            await self._closed.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, requests: Sequence[Request]) -> None:
        for request in requests:
            task = self._loop.create_task(self._serve(request))
            self._tasks.add(task)  # a loop alone does not keep its tasks alive
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: Request) -> None:
        answer: Completion | Exception
        try:
            async with self._slots:  # kept while waiting to ask again: a server in trouble is not asked more
                answer = await self._complete(request)
        except Exception as error:
            answer = error
        self.answers.put(answer)

    async def _complete(self, request: Request) -> Completion:
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        attempts = AsyncRetrying(
            stop=stop_after_attempt(1 + self._options.retries),
            retry=retry_if_exception(lambda error: isinstance(error, UnavailableError) and error.asked <= PATIENCE),
            wait=_pause,
            reraise=True,
        )
        try:
            return await attempts(self._ask, request)
        except UnavailableError as error:
            asked = attempts.statistics["attempt_number"]
            raise FailureError(
                f"--openai.url: {self._api.url} failed {asked} times in a row; the last: {error}"
            ) from error

    async def _ask(self, request: Request) -> Completion:
        import httpx2

        try:
            async with asyncio.timeout(self._options.timeout):  # the client's own begins anew with each byte
                response = await self._client.post(self._api.url, json=self._api.body(request))
        except TimeoutError as error:
            raise UnavailableError(
                f"no whole answer within {self._options.timeout:g} seconds; a slow server needs more --openai.timeout,"
                " or fewer requests at once (--openai.concurrency)"
            ) from error
        except httpx2.RequestError as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from error
        return self._api.completion(request, response)


class UnavailableError(Exception):
    """The server gave no usable answer, and may give one when asked again. `asked` are seconds to wait, at least."""

    def __init__(self, problem: str, asked: float = 0.0) -> None:
        super().__init__(problem)
        self.asked = asked


class Api:
    """Requests in the server's words, and its answers in ours. Does no input or output."""

    def __init__(self, settings: EngineSettings, prompts: PromptSet) -> None:
        endpoint = settings.openai.endpoint
        self._chat = prompts.chat if endpoint == "auto" else endpoint == "chat"
        self._model = settings.model
        self._prompts = prompts
        self._key = _key(settings.openai)
        self._extra = named_values("openai.body", settings.openai.body)
        self._structured = settings.openai.structured
        self.url = _url(settings.openai) + ("/chat/completions" if self._chat else "/completions")

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of a request."""
        prompt, sampling = self._prompt(request), self._prompts[request.kind].sampling
        asked: dict[str, Any] = {"prompt": prompt}
        if self._chat:
            system = [{"role": "system", "content": self._prompts.system}] if self._prompts.system else []
            asked = {"messages": [*system, {"role": "user", "content": prompt}]}
            if self._prompts.template:
                asked["chat_template_kwargs"] = dict(self._prompts.template)
        if self._structured and (schema := self._prompts[request.kind].schema):
            form = {"name": str(request.kind), "strict": True, "schema": json.loads(schema)}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        fields = {"model": self._model, **asked, **_sampling(sampling), "seed": _fold(request.seed), **self._extra}
        return {name: value for name, value in fields.items() if value is not None}

    def completion(self, request: Request, response: httpx2.Response) -> Completion:
        """What the server answered; a completion that failed where it refuses this request.

        Raises:
            InputError: it refuses all requests.
            UnavailableError: it is worth asking again.
        """
        if response.is_success:
            return self._read(request, response)
        status, problem = response.status_code, f"{response.status_code}: {_said(response, self._key)}"
        if status in (401, 403):
            raise InputError(_refused_key(self.url, problem, self._key))
        if status in (404, 405) or status < 400:
            raise InputError(
                f"--model: {self.url} answers {problem}; name a model that the server has, or mend --openai.url"
                " (it often ends with /v1) or --openai.endpoint"
            )
        if status in (408, 409, 429) or status >= 500:
            raise UnavailableError(problem, _retry_after(response))
        return Completion(request.id, "", Finish.FAILED, _words(self._prompt(request)), 0, problem)

    def _prompt(self, request: Request) -> str:
        prompt = self._prompts[request.kind]
        return prompt.prefix + request.suffix + prompt.tail

    def _read(self, request: Request, response: httpx2.Response) -> Completion:
        kind = response.headers.get("content-type", "application/json")
        if "json" not in kind:
            raise UnavailableError(f"the answer is {kind}, not JSON: {_said(response, self._key)}")
        try:
            answer = response.json()
        except ValueError as error:
            raise UnavailableError("the answer is no valid JSON") from error
        text, finish = self._choice(answer)
        text, stopped = _cut(mended(text), self._prompts[request.kind].sampling.stop)
        usage = answer.get("usage")
        prompt_tokens = _count(usage, "prompt_tokens", self._prompt(request))
        completion_tokens = _count(usage, "completion_tokens", text)
        if finish == "content_filter" and not stopped:
            problem = "the server's content filter cut the answer"
            return Completion(request.id, "", Finish.FAILED, prompt_tokens, completion_tokens, problem)
        details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
        cut = finish == "length" and not stopped
        return Completion(
            request.id,
            text,
            Finish.LENGTH if cut else Finish.STOP,
            prompt_tokens,
            completion_tokens,
            cached_tokens=_count(details, "cached_tokens", ""),
        )

    def _choice(self, answer: Any) -> tuple[str, Any]:
        """The text of the first choice, and why it ended. A chat model that says nothing may say null."""
        try:
            choice = answer["choices"][0]
            text = (choice["message"]["content"] or "") if self._chat else choice["text"]
            finish = choice.get("finish_reason")
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise UnavailableError("the answer holds no choice with a text") from error
        if not isinstance(text, str):
            raise UnavailableError("the answer's text is none")
        return text, finish


def _sampling(sampling: Sampling) -> dict[str, Any]:
    values: dict[str, Any] = {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature}
    if sampling.temperature > 0:
        values["top_p"] = sampling.top_p
    if sampling.presence_penalty:
        values["presence_penalty"] = sampling.presence_penalty
    if sampling.frequency_penalty:
        values["frequency_penalty"] = sampling.frequency_penalty
    if sampling.stop:
        values["stop"] = list(sampling.stop[:STOPS])
    return values


def _fold(seed: int) -> int:
    """63 bits in 31, for servers that read a signed 32-bit number."""
    return (seed ^ seed >> 31 ^ seed >> 62) & 0x7FFFFFFF


def _cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before its earliest stop string, and whether there was one."""
    end = min((at for at in map(text.find, stops) if at >= 0), default=-1)
    return (text, False) if end < 0 else (text[:end], True)


def _count(usage: Any, key: str, text: str) -> int:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else _words(text)


def _words(text: str) -> int:
    """In place of tokens, where the server does not count them."""
    return len(text.split())


def _pause(state: RetryCallState) -> float:
    """Seconds until the next attempt: as the server asks, spread over a moment, else exponential with full jitter."""
    from tenacity import wait_random_exponential

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, UnavailableError) and error.asked:
        return error.asked + random.uniform(0, FIRST_WAIT)
    return wait_random_exponential(FIRST_WAIT, LONGEST_WAIT)(state)


def _retry_after(response: httpx2.Response) -> float:
    """The seconds of a Retry-After header, which holds a number or a date; 0 where there is none."""
    text = response.headers.get("retry-after", "").strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _said(response: httpx2.Response, key: str | None) -> str:
    """The server's message in a few words on one line, without the key, should it show it."""
    message: Any = response.text
    try:
        answer = response.json()
        error = answer.get("error", answer)
        message = error.get("message") or error.get("detail") or message
    except (AttributeError, ValueError):  # no JSON, or another shape
        pass
    text = " ".join(str(message).split())
    return (text.replace(key, "[key]") if key else text)[:300] or response.reason_phrase


def _greet(settings: EngineSettings) -> httpx2.Response:
    """The server's list of models; of any status, for servers without a list exist.

    Raises:
        InputError: an option is wrong, or the server refuses the key.
        FailureError: it cannot be reached.
    """
    import httpx2

    _check(settings)
    options, url = settings.openai, _url(settings.openai) + "/models"
    try:
        response = httpx2.get(url, headers=_headers(options), timeout=min(GREETING, options.timeout), verify=_tls())
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise FailureError(
            f"--openai.url: nothing answers at {url} ({type(error).__name__}: {error}); is the server up?"
        ) from error
    if response.status_code in (401, 403):
        key = _key(options)
        raise InputError(_refused_key(url, f"{response.status_code}: {_said(response, key)}", key))
    return response


def _check_context(model: str, listed: httpx2.Response, prompts: PromptSet) -> None:
    """Refuse prompts with more words than the model's context has tokens, where the server says how many those are.

    vLLM and SGLang do (`max_model_len`). A prompt has more tokens than words, so some that do not fit come through:
    the server refuses those one by one.
    """
    try:
        (context,) = [each["max_model_len"] for each in listed.json()["data"] if each["id"] == model]
    except (KeyError, TypeError, ValueError):
        return
    problems = []
    for kind in prompts.kinds:
        prompt, room = prompts[kind], prompts[kind].sampling.max_tokens
        words = _words(f"{prompts.system} {prompt.prefix} {prompt.tail}")
        if isinstance(context, int) and words + room >= context:
            problems.append(
                f"--model: {model}: the server's context of {context} tokens cannot hold the {kind} prompt of {words}"
                f" words, an instruction and {room} new tokens; take other --prompts, or give the server a longer one"
            )
    if problems:
        raise InputError(*problems)


def _check(settings: EngineSettings) -> None:
    options, problems = settings.openai, []
    if settings.model == EMBEDDED:
        problems.append(f"--model: is {EMBEDDED!r}; give the model's name on the server")
    if not options.url.startswith(("http://", "https://")) or any(mark in options.url for mark in "@?#"):
        problems.append("--openai.url: must be like http://127.0.0.1:8000/v1, without user, password or query")
    if options.endpoint not in ENDPOINTS:
        problems.append(f"--openai.endpoint: {options.endpoint!r} is unknown (known: {', '.join(ENDPOINTS)})")
    if problems:
        raise InputError(*problems)


def _url(options: OpenAIOptions) -> str:
    return options.url.rstrip("/")


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than asking."""
    import httpx2

    return httpx2.create_ssl_context()


def _headers(options: OpenAIOptions) -> dict[str, str]:
    key = _key(options)
    return {"Authorization": f"Bearer {key}"} if key else {}


def _key(options: OpenAIOptions) -> str | None:
    """The key, if there is one.

    Raises:
        InputError: it is not where the options say.
    """
    if options.key_env and options.key_file:
        raise InputError("--openai.key_env: give this or --openai.key_file, not both")
    if options.key_env:
        where, key = f"--openai.key_env: the variable {options.key_env}", os.environ.get(options.key_env, "").strip()
    elif options.key_file:
        where = f"--openai.key_file: {options.key_file}"
        try:
            key = Path(options.key_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{where} cannot be read ({type(error).__name__})") from None
    else:
        return None
    if not key or not key.isascii() or not key.isprintable():
        raise InputError(f"{where} must hold a key, one line of ASCII characters")
    return key


def _refused_key(url: str, problem: str, key: str | None) -> str:
    if key:
        return f"--openai.key_env: {url} refuses the key ({problem}); mend the key, or take --openai.key_file"
    return f"--openai.key_env: {url} asks for a key ({problem}); name the variable or --openai.key_file that holds it"
