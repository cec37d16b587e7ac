"""OpenAI's protocol: our requests in a server's words, and its answers in ours. Does no input or output."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from selfinstruct.engines.server_answers import (
    CIRCLES,
    ERROR,
    FILTERED,
    LENGTHS,
    NoCompletionError,
    problem_in,
    said_in,
    tokens_in,
)
from selfinstruct.engines.settings import EngineSettings, OpenAIOptions
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, Sampling
from selfinstruct.records import ANSWERED, Completion, Finish, Kind, Request, mended
from selfinstruct.sources.options import named_values
from selfinstruct.steps.readers.ends import first_turn
from selfinstruct.steps.readers.thoughts import thinking

CHAT, COMPLETIONS = "/chat/completions", "/completions"

STOPS = 4
"""Stop strings that OpenAI's own server takes."""

HICCUPS = 2
"""How often a request is made again whose answer is JSON and no completion: that may pass, or is how it is answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer by HTTP. `kind` is its Content-Type, `retry_after` that header; empty where there is none."""

    status: int
    reason: str
    body: bytes
    kind: str = ""
    retry_after: str = ""


class UnavailableError(Exception):
    """The server gave no usable answer, and may give one when asked again. `asked` are seconds to wait, at least."""

    def __init__(self, problem: str, asked: float = 0.0) -> None:
        super().__init__(problem)
        self.asked = asked


class RefusedError(Exception):
    """The server does not serve this request. It may be asked `again` so often, in case that passes."""

    def __init__(self, problem: str, again: float = 0) -> None:
        super().__init__(problem)
        self.again = again


class Api:
    """What is said to servers of one model, and what they say.

    Args:
        settings: The model, the endpoint, and what is sent besides.
        prompts: The prompts and their sampling.
        key: Is never shown, should the server show it.
    """

    def __init__(self, settings: EngineSettings, prompts: PromptSet, key: str | None) -> None:
        self._endpoint = settings.openai.endpoint
        self._model = settings.model
        self._prompts = prompts
        self._key = key
        self._extra = named_values("openai.body", settings.openai.body)
        self._structured = settings.openai.structured

    def _chat(self, kind: Kind) -> bool:
        if kind is Kind.QUERY:  # the beginning of a turn is no conversation
            return False
        return self._prompts.of(kind).chat if self._endpoint == "auto" else self._endpoint == "chat"

    def system(self, kind: Kind) -> bool:
        """Whether requests of a kind have a system message."""
        return self._chat(kind) and bool(self._prompts.of(kind).system) and not self._prompts[kind].bare

    def path(self, kind: Kind) -> str:
        """Where requests of a kind go, below a server's address."""
        return CHAT if self._chat(kind) else COMPLETIONS

    def body(self, request: Request, *, folded: bool = False) -> dict[str, Any]:
        """The JSON of a request.

        Args:
            folded: Without a system message: its text at the head of the user's.
        """
        prompt, kind = self._prompt(request), self._prompts[request.kind]
        form, chat = self._prompts.of(request.kind), self._chat(request.kind)
        bare = kind.bare or request.kind is Kind.QUERY
        messages = form.messages(prompt, folded=folded or not chat, bare=bare)
        asked: dict[str, Any] = {"messages": messages} if chat else {"prompt": messages[-1]["content"]}
        if chat and form.template:
            asked["chat_template_kwargs"] = dict(form.template)
        if self._structured and kind.schema:
            wanted = {"name": str(request.kind), "strict": True, "schema": json.loads(kind.schema)}
            asked["response_format"] = {"type": "json_schema", "json_schema": wanted}
        fields = {"model": self._model, **asked, **_sampling(kind.sampling), "seed": _fold(request.seed), **self._extra}
        return {name: value for name, value in fields.items() if value is not None}

    def completion(self, request: Request, url: str, answer: Answer) -> Completion:
        """What the server answered to a request that was sent to this URL.

        Raises:
            RefusedError: it does not serve this request.
            InputError: it refuses all requests.
            UnavailableError: it is worth asking again.
        """
        status = answer.status
        if 200 <= status < 300:
            return self._read(request, answer)
        problem = f"{status}: {said(answer, self._key)}"
        if status in (401, 403):
            raise InputError(refused_key(url, problem, self._key))
        if unknown(status):
            raise InputError(not_there(url, problem))
        if _busy(status):
            raise UnavailableError(problem, _retry_after(answer.retry_after))
        raise RefusedError(problem)

    def failed(self, request: Request, problem: str) -> Completion:
        """The completion of a request that is not served."""
        return Completion(request.id, "", Finish.FAILED, words_in(self._prompt(request)), 0, problem)

    def _prompt(self, request: Request) -> str:
        prompt = self._prompts[request.kind]
        return prompt.prefix + request.suffix + prompt.tail

    def _read(self, request: Request, received: Answer) -> Completion:
        if received.kind and "json" not in received.kind:
            raise UnavailableError(f"the answer is {received.kind}, not JSON: {said(received, self._key)}")
        try:
            answer = json.loads(received.body)
            first = said_in(answer)
        except (RecursionError, ValueError) as error:
            raise UnavailableError("the answer is no valid JSON") from error
        except NoCompletionError as error:
            busy = error.status is not None and _busy(error.status)
            again = math.inf if busy else HICCUPS if error.status is None else 0
            raise RefusedError(_shown(str(error), self._key), again) from error
        text, stopped = _cut(mended(first.text), self._prompts[request.kind].sampling.stop)
        whole = first_turn(text)
        ended = stopped or whole != text
        usage, words = answer.get("usage"), _shown(first.words, self._key)
        asked, tokens = _count(usage, "prompt_tokens", self._prompt(request)), _count(usage, "completion_tokens", text)
        if first.reason in (FILTERED, ERROR) and not ended:
            filtered = first.reason == FILTERED
            problem = "the server's content filter cut the answer" if filtered else "the server broke the answer off"
            problem += f" ({words})" * bool(words)
            return Completion(request.id, "", Finish.FAILED, asked, tokens, problem)
        details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
        if first.thought and whole and request.kind in ANSWERED:
            whole = thinking(mended(first.thought)) + whole
        return Completion(
            request.id,
            whole,
            Finish.STOP if ended else _FINISHES.get(first.reason, Finish.STOP),
            asked,
            tokens,
            words or None,
            cached_tokens=_count(details, "cached_tokens", ""),
        )


_FINISHES = {**dict.fromkeys(LENGTHS, Finish.LENGTH), **dict.fromkeys(CIRCLES, Finish.REPETITION)}


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


def _count(usage: object, key: str, text: str) -> int:
    tokens = tokens_in(usage, key)
    return words_in(text) if tokens is None else tokens


def words_in(text: str) -> int:
    """In place of tokens, where the server does not count them."""
    return len(text.split())


def _retry_after(header: str) -> float:
    """The seconds of a Retry-After header, which holds a number or a date; 0 where there is none."""
    text = header.strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _busy(status: int) -> bool:
    """Whether a status says that another time the request may be served."""
    return status in (408, 409, 429) or status >= 500


def unknown(status: int) -> bool:
    """Whether a status says that there is nothing of the kind, so that every request would meet it."""
    return status in (404, 405) or 300 <= status < 400


def not_there(url: str, problem: str, names: Sequence[str] = ()) -> str:
    """The line on a server that has no such model, or does not answer at this address; `names` are those it lists."""
    listed = f" ({', '.join(names[:5])}{', ...' * (len(names) > 5)})" if names else ""
    return (
        f"--model: {url} answers {problem}; name a model that the server has{listed}, mend --openai.url (it often ends"
        " with /v1), or take other --prompts: chat sets go to /chat/completions, base sets to /completions"
    )


def smallest(model: str, path: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a request for one token, which shows whether a model is served at a path."""
    text = "Hello"
    asked = {"messages": [{"role": "user", "content": text}]} if path == CHAT else {"prompt": text}
    fields = {"model": model, **asked, "max_tokens": 1, **extra}
    return {name: value for name, value in fields.items() if value is not None}


def said(answer: Answer, key: str | None) -> str:
    """The server's message in a few words on one line."""
    try:
        words, _ = problem_in(json.loads(answer.body))
    except (RecursionError, ValueError):  # no JSON
        words = ""
    return _shown(words or answer.body.decode(errors="replace"), key) or answer.reason


def _shown(text: str, key: str | None) -> str:
    """A server's words on one line, not too many, without the key, should it show it."""
    line = " ".join(text.split())
    return (line.replace(key, "[key]") if key else line)[:300]


def addresses(options: OpenAIOptions) -> list[str]:
    """Of all servers, each once."""
    return list(dict.fromkeys(each.strip().rstrip("/") for each in options.url.split(",")))


def refused_key(url: str, problem: str, key: str | None) -> str:
    if key:
        return f"--openai.key_env: {url} refuses the key ({problem}); mend the key, or take --openai.key_file"
    return f"--openai.key_env: {url} asks for a key ({problem}); name the variable or --openai.key_file that holds it"
