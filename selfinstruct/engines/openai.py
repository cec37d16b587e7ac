"""The engine that asks a server which speaks OpenAI's HTTP protocol: vLLM, SGLang, llama.cpp, OpenAI itself.

- A base set's prompt goes to `/completions` whole, a chat set's to `/chat/completions` as one user message, after the
  set's system message if it has one; `--openai.endpoint` overrules that, and to `/completions` goes the system's text
  before the prompt. `--model` is the model's name on the server.
- Where the server refuses a request with a system message and serves it without, the system's text stands at the head
  of the user's message from then on.
- Fields that only some servers know are sent when they are asked for: `chat_template_kwargs`, `response_format`, and
  whatever `--openai.body` names.
- What a server's reasoning parser has put apart from the answer is not kept (`server_answers`). An answer without a
  text is empty, and has what the server says instead as its `error`.
- At most `concurrency` requests are under way at each server; whichever has the fewest gets the next one (`places`), as
  soon as another is answered. Each is asked again, after a random and growing while or when the server says
  (Retry-After), as long as the fault is not its own: no connection, no whole answer within `timeout` seconds,
  status 408, 409, 429 or 5xx, an answer that is not JSON. When `retries` are used up the engine fails (`FailureError`)
  and is closed; the request is not blamed.
- A request that the server refuses as such (400, 413, 422 ...) fails alone, as does one to which it gives JSON that is
  no completion, an error say, and does so again. 401, 403 and 404 end the work with an `InputError`: every other
  request would meet them too.
- A text is cut before its earliest stop string here as well: servers take four at most, or show them. It is cut before
  the end-of-turn texts at its end, too, which some leave there.
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
import logging
import os
import queue
import random
import re
import threading
import urllib.request
import weakref
from collections import deque
from collections.abc import Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from selfinstruct.engines.openai_api import (
    COMPLETIONS,
    Answer,
    Api,
    RefusedError,
    UnavailableError,
    addresses,
    not_there,
    refused_key,
    said,
    smallest,
    unknown,
    words_in,
)
from selfinstruct.engines.places import Place, Servers
from selfinstruct.engines.settings import EMBEDDED, HELD, EngineSettings, OpenAIOptions, Traits
from selfinstruct.errors import FailureError, InputError
from selfinstruct.places import local
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Request
from selfinstruct.sources.options import named_values

if TYPE_CHECKING:
    import aiohttp
    from tenacity import RetryCallState

log = logging.getLogger(__name__)

T = TypeVar("T")

ENDPOINTS = ("auto", "completions", "chat")

NO_SYSTEM = re.compile(
    r"system.?(role|message|prompt|instruction)|role\W+system|developer instruction|['\"`]system['\"`]"
    r"|roles?\b.{0,40}\b(alternat|support)",
    re.IGNORECASE,
)
"""What a server says that takes no system message, some with a status as if it were in trouble."""

WAIT = 0.02
"""Seconds that a step waits for an answer."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds: the bound of the random wait before the second attempt, doubled each time, and the bound of all bounds."""

TOLD_AFTER, TOLD_EVERY = 3, 60.0
"""Attempts of a request in vain after which that is told, and seconds between two such lines."""

PATIENCE = 600.0
"""A server that asks for more seconds than this has failed."""

GREETING = 10.0
"""Seconds in which a server must say something before any work is begun."""


def traits(settings: EngineSettings) -> Traits:
    """The model is the server's affair, and it is told of schemas if asked to."""
    options = settings.openai
    holds = HELD * options.concurrency * len(addresses(options))
    return Traits(schemas=options.structured, holds=holds, light=True, raw="told")


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
    """Look whether the server is there and serves what will be asked, and begin to listen for requests.

    Raises:
        InputError: an option is wrong, the server refuses the key, has no such model or address, or says that its
            context cannot hold the prompts.
        FailureError: the server cannot be reached.
    """
    lists, api = _greet(settings), Api(settings, prompts, _key(settings.openai))
    for listed in lists.values():
        _check_context(settings.model, listed, prompts)
    _check_served(settings, {api.path(kind) for kind in prompts.kinds}, lists)
    return OpenAIEngine(api, settings.openai)


class OpenAIEngine:
    """Implements `protocols.Engine`.

    Args:
        api: Puts requests into the server's words and reads its answers.
        options: Where the servers are, and bounds.
    """

    def __init__(self, api: Api, options: OpenAIOptions) -> None:
        self._held = 0
        self._failure: Exception | None = None
        self._worker = _Worker(api, options)
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

    def __init__(self, api: Api, options: OpenAIOptions) -> None:
        self.answers: queue.SimpleQueue[Completion | Exception] = queue.SimpleQueue()
        self._api = api
        self._options = options
        self._servers = Servers(addresses(options), options.concurrency)
        self._waiting: deque[Request] = deque()
        self._closed = asyncio.Event()
        self._folded: bool | None = None  # whether the system's text goes to the user's message, once known
        self._told = -inf  # when it was last said that requests are made in vain
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
        async with _session(self._options) as self._session:
            await self._closed.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, requests: Sequence[Request]) -> None:
        self._waiting.extend(requests)
        self._go_on()

    def _go_on(self) -> None:
        """Send what waits, as far as there are places."""
        while self._waiting and (place := self._servers.place()):
            task = self._loop.create_task(self._serve(self._waiting.popleft(), place))
            self._tasks.add(task)  # a loop alone does not keep its tasks alive
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: Request, place: Place) -> None:
        """Have one request answered. Its place is kept while it waits to be asked again: a server in trouble is not
        asked more."""
        answer: Completion | Exception
        try:
            answer = await self._complete(request, place)
        except Exception as error:
            answer = error
        self._servers.left(place)
        self.answers.put(answer)
        self._go_on()

    async def _complete(self, request: Request, place: Place) -> Completion:
        try:
            return await self._try(request, place)
        except (RefusedError, UnavailableError) as error:
            return await self._complete_after(error, request, place)

    async def _complete_after(
        self, failure: RefusedError | UnavailableError, request: Request, place: Place
    ) -> Completion:
        """Ask again after a first attempt has failed."""
        from tenacity import AsyncRetrying, retry_if_exception

        def used_up(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            most = self._options.retries
            return state.attempt_number > (min(error.again, most) if isinstance(error, RefusedError) else most)

        async def attempt() -> Completion:
            if attempts.statistics["attempt_number"] == 1:  # it was made already
                raise failure
            return await self._try(request, place)

        def tell(state: RetryCallState) -> None:
            error, now = state.outcome.exception() if state.outcome else None, self._loop.time()
            if state.attempt_number >= TOLD_AFTER and now - self._told > TOLD_EVERY:
                self._told = now
                log.warning(f"{self._url(request, place)}: {error}; asking again, with growing pauses")

        attempts = AsyncRetrying(
            stop=used_up, retry=retry_if_exception(_may_pass), wait=_pause, before_sleep=tell, reraise=True
        )
        try:
            return await attempts(attempt)
        except RefusedError as error:
            return self._api.failed(request, str(error))
        except UnavailableError as error:
            asked = attempts.statistics["attempt_number"]
            raise FailureError(
                f"--openai.url: {self._url(request, place)} failed {asked} times in a row; the last: {error}"
            ) from error

    async def _try(self, request: Request, place: Place) -> Completion:
        """Ask once, and tell where it is to be asked again if that was no answer."""
        try:
            completion = await self._ask(request, place)
        except UnavailableError:
            self._servers.failed(place)
            raise
        self._servers.answered(place)
        return completion

    async def _ask(self, request: Request, place: Place) -> Completion:
        """Ask once; twice where the server refuses, and it is not known yet whether it takes a system message."""
        if self._folded is not None or not self._api.system(request.kind):
            return await self._post(request, place, folded=bool(self._folded))
        try:
            completion = await self._post(request, place, folded=False)
        except (RefusedError, UnavailableError) as error:
            if _may_pass(error) and not NO_SYSTEM.search(str(error)):
                raise
            return await self._ask_without_system(request, place, error)
        self._folded = False
        return completion

    async def _ask_without_system(self, request: Request, place: Place, refusal: Exception) -> Completion:
        """Ask with the system's text in the user's message; raises the refusal if that was for another reason."""
        try:
            completion = await self._post(request, place, folded=True)
        except RefusedError:
            raise refusal from None
        if self._folded is None:
            self._folded = True
            log.warning("the server refuses a system message: its text stands at the head of the user's message")
        return completion

    async def _post(self, request: Request, place: Place, *, folded: bool) -> Completion:
        import aiohttp

        url, body = self._url(request, place), json.dumps(self._api.body(request, folded=folded)).encode()
        try:
            async with self._session.post(url, data=body, proxy=_proxy(url), allow_redirects=False) as response:
                answer = await _received(response)
        except TimeoutError as error:
            raise UnavailableError(
                f"no whole answer within {self._options.timeout:g} seconds; a slow server needs more --openai.timeout,"
                " or fewer requests at once (--openai.concurrency)"
            ) from error
        except aiohttp.ClientError as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from error
        return self._api.completion(request, url, answer)

    def _url(self, request: Request, place: Place) -> str:
        return place.server.address + self._api.path(request.kind)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, RefusedError):
        return error.again > 0
    return isinstance(error, UnavailableError) and error.asked <= PATIENCE


def _pause(state: RetryCallState) -> float:
    """Seconds until the next attempt: as the server asks, spread over a moment, else exponential with full jitter."""
    from tenacity import wait_random_exponential

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, UnavailableError) and error.asked:
        return error.asked + random.uniform(0, FIRST_WAIT)
    return wait_random_exponential(FIRST_WAIT, LONGEST_WAIT)(state)


def _greet(settings: EngineSettings) -> dict[str, Answer]:
    """The lists of models of the servers that answer, by address; of any status, for servers without a list exist.

    Raises:
        InputError: an option is wrong, or a server refuses the key.
        FailureError: none can be reached.
    """
    _check(settings)
    options = settings.openai
    found = dict(zip(addresses(options), _at_once(_asked_for_models(options)), strict=True))
    answers = {url: each for url, each in found.items() if isinstance(each, Answer)}
    problems = [each for each in found.values() if not isinstance(each, Answer)]
    if not answers:
        raise FailureError("; ".join(problems))
    for problem in problems:
        log.warning(f"{problem} It is left out until it answers.")
    for url, answer in answers.items():
        if answer.status in (401, 403):
            key = _key(options)
            raise InputError(refused_key(f"{url}/models", f"{answer.status}: {said(answer, key)}", key))
    return answers


def _at_once(asking: Coroutine[Any, Any, list[T]]) -> list[T]:
    """What a few requests bring, made in a thread, for the caller may have an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asking).result()


async def _asked_for_models(options: OpenAIOptions) -> list[Answer | str]:
    """What each server answers, or why it does not."""
    async with _greeting(options) as session:
        return await asyncio.gather(*(_models(session, f"{each}/models") for each in addresses(options)))


def _check_served(settings: EngineSettings, paths: Collection[str], lists: Mapping[str, Answer]) -> None:
    """InputError if a server has no such model, or nothing at one of the paths below its address.

    It is asked for a token where that is not known: some servers have no list of models, others one model for which
    they take any name, and many no `/completions`.
    """
    asked = [
        (url, path)
        for url, listed in lists.items()
        for path in sorted(paths)
        if path == COMPLETIONS or settings.model not in _names(listed)
    ]
    answers = _at_once(_asked_for_a_token(settings, asked)) if asked else []
    for (url, path), answer in zip(asked, answers, strict=True):
        if answer is not None and unknown(answer.status):
            problem = f"{answer.status}: {said(answer, _key(settings.openai))}"
            raise InputError(not_there(f"{url}{path}", problem, _names(lists[url])))


async def _asked_for_a_token(settings: EngineSettings, asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
    """What servers answer to the smallest request at these paths; None of one that gives none: the run will see."""
    async with _greeting(settings.openai) as session:
        return await asyncio.gather(*(_token(session, settings, url, path) for url, path in asked))


async def _token(session: aiohttp.ClientSession, settings: EngineSettings, url: str, path: str) -> Answer | None:
    import aiohttp

    extra = named_values("openai.body", settings.openai.body)
    body = json.dumps(smallest(settings.model, path, extra)).encode()
    try:
        async with session.post(f"{url}{path}", data=body, proxy=_proxy(url), allow_redirects=False) as response:
            return await _received(response)
    except (TimeoutError, aiohttp.ClientError):
        return None


async def _models(session: aiohttp.ClientSession, url: str) -> Answer | str:
    import aiohttp

    try:
        async with session.get(url, proxy=_proxy(url), allow_redirects=False) as response:
            return await _received(response)
    except (TimeoutError, aiohttp.ClientError) as error:
        return f"--openai.url: nothing answers at {url} ({type(error).__name__}: {error}); is the server up?"


def _names(listed: Answer) -> list[str]:
    """Of a server's models, as far as it lists them."""
    try:
        return [each["id"] for each in json.loads(listed.body)["data"] if isinstance(each["id"], str)]
    except (KeyError, TypeError, ValueError):
        return []


def _greeting(options: OpenAIOptions) -> aiohttp.ClientSession:
    """Connections on which a server is not waited for as long as for an answer."""
    return _session(replace(options, timeout=min(GREETING, options.timeout)))


def _session(options: OpenAIOptions) -> aiohttp.ClientSession:
    """Connections to the servers, one for each request that may be under way; they are kept open."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # `places` bounds them
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", **_headers(options)},
        timeout=aiohttp.ClientTimeout(total=options.timeout),
    )


async def _received(response: aiohttp.ClientResponse) -> Answer:
    """An answer, read to its end."""
    headers = response.headers
    kind, retry_after = headers.get("Content-Type", ""), headers.get("Retry-After", "")
    return Answer(response.status, response.reason or "", await response.read(), kind, retry_after)


@cache
def _proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    scheme, _, rest = url.partition("://")
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(rest.partition("/")[0]):
        return None
    return proxies.get(scheme, proxies.get("all"))


def _check_context(model: str, listed: Answer, prompts: PromptSet) -> None:
    """Refuse prompts with more words than the model's context has tokens, where the server says how many those are.

    vLLM and SGLang do (`max_model_len`). A prompt has more tokens than words, so some that do not fit come through:
    the server refuses those one by one.
    """
    try:
        (context,) = [each["max_model_len"] for each in json.loads(listed.body)["data"] if each["id"] == model]
    except (KeyError, TypeError, ValueError):
        return
    problems = []
    for kind in prompts.kinds:
        prompt, room = prompts[kind], prompts[kind].sampling.max_tokens
        words = words_in(f"{prompts.of(kind).system} {prompt.prefix} {prompt.tail}")
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
    if any(not _is_address(each) for each in addresses(options)):
        problems.append(
            "--openai.url: must be like http://127.0.0.1:8000/v1, without user, password or query; several with commas"
            " between them"
        )
    if options.endpoint not in ENDPOINTS:
        problems.append(f"--openai.endpoint: {options.endpoint!r} is unknown (known: {', '.join(ENDPOINTS)})")
    if problems:
        raise InputError(*problems)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not set(url) & set("@?#")
        )
    except ValueError:  # a port that is no number
        return False


def _headers(options: OpenAIOptions) -> dict[str, str]:
    key = _key(options)
    return {"Authorization": f"Bearer {key}"} if key else {}


_NAME = re.compile("[A-Z_]{1,60}")
"""The names of variables that are repeated: keys have small letters or digits."""


def _key(options: OpenAIOptions) -> str | None:
    """The key, if there is one.

    Raises:
        InputError: it is not where the options say.
    """
    if options.key_env and options.key_file:
        raise InputError("--openai.key_env: give this or --openai.key_file, not both")
    if options.key_env:
        name = options.key_env if _NAME.fullmatch(options.key_env) else "(not repeated here, it may be a key itself)"
        where, key = f"--openai.key_env: the variable {name}", os.environ.get(options.key_env, "").strip()
    elif options.key_file:
        is_path = os.sep in str(options.key_file) or options.key_file.exists()
        where = f"--openai.key_file: {options.key_file if is_path else '(not repeated here, it may be a key itself)'}"
        try:
            key = local(options.key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{where} cannot be read ({type(error).__name__})") from None
    else:
        return None
    if not key or not key.isascii() or not key.isprintable():
        raise InputError(f"{where} must hold a key, one line of ASCII characters")
    return key
