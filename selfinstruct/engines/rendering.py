"""Chat templates, rendered with a limit of time, memory and length.

A template is a program of whoever made the model. Its sandbox (jinja2's) keeps it from what is not its own, but not
from looping for years, nor from `9 ** 9 ** 9` or a list that holds itself twice, thirty times over, written out: one
call in C, which nothing in the same process can stop. So a template runs in a process of its own, which the kernel
ends when its time is up and which gets no more memory than it may have. That takes half a second and happens once when
an engine is opened: requests are put between the rendered pieces (`encoding`). The process imports neither torch nor a
model, only the library's own rendering, so the text is the one that `apply_chat_template` gives.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.engines.contents import template_file
from selfinstruct.errors import FailureError, InputError

SECONDS = 2
"""Of a processor's time for all renderings of an engine; a template needs some thousandths of one."""
PATIENCE = 120.0
"""Seconds by the clock, on a machine that has much else to do."""
MEMORY = 2**30
"""Bytes, beside what the process has before it renders."""
LENGTH = 1_000_000
"""Characters of a rendered conversation."""

TODAY = (
    "{%- macro strftime_now(form) -%}{{ form | replace('%d', '01') | replace('%m', '01') | replace('%b', 'Jan')"
    " | replace('%B', 'January') | replace('%y', '24') | replace('%Y', '2024') }}{%- endmacro -%}"
)
"""Put before a template that asks for the date: a run's prompts must not change over night."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation, and whether the beginning of the model's answer is to follow."""

    messages: Sequence[Mapping[str, str]]
    prompting: bool = False


def render_chats(tokenizer: Any, chats: Sequence[Chat], variables: Mapping[str, Any] | None = None) -> list[str]:
    """Conversations in the tokenizer's chat template, the same on every day, with variables of the template.

    Raises:
        InputError: it has no chat template, or the template fails or exceeds a limit.
        FailureError: no process can be started here.
    """
    return [shown(each) for each in try_chats(tokenizer, chats, variables)]


def shown(rendered: str | InputError) -> str:
    """A rendered conversation. What was raised in its place is raised here."""
    if isinstance(rendered, InputError):
        raise rendered
    return rendered


def try_chats(
    tokenizer: Any, chats: Sequence[Chat], variables: Mapping[str, Any] | None = None
) -> list[str | InputError]:
    """As `render_chats`; in place of a conversation that the template refuses there is what is to be raised.

    Raises:
        InputError: it has no chat template, or the template exceeds a limit of time.
        FailureError: no process can be started here.
    """
    if not tokenizer.chat_template:
        raise InputError(
            "--prompts, --chat: the model has no chat template; take --prompts base and no --chat, or a chat model"
        )
    try:
        template = tokenizer.get_chat_template()
    except ValueError:  # there are several
        raise template_failure(tokenizer, "has no default among its chat templates") from None
    if not isinstance(template, str):
        raise template_failure(tokenizer, f"its chat template is a {type(template).__name__}, must be a text")
    task = {
        "template": TODAY + template if "strftime_now" in template else template,
        # the answers' formats and lengths leave no room for thoughts
        "variables": {**tokenizer.special_tokens_map, "enable_thinking": False, **(variables or {})},
        "chats": [{"messages": list(map(dict, chat.messages)), "prompting": chat.prompting} for chat in chats],
    }
    answers = _ask(tokenizer, json.dumps(task, default=str))
    return [
        answer["text"]
        if "text" in answer
        else template_failure(tokenizer, f"its chat template fails ({answer['error']})")
        for answer in answers
    ]


def _ask(tokenizer: Any, task: str) -> list[dict[str, str]]:
    """What the process answers: a text or an error for each conversation."""
    path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
    environment = {**os.environ, "PYTHONPATH": path, "TRANSFORMERS_VERBOSITY": "critical"}
    command = [sys.executable, "-P", "-m", "selfinstruct.engines.rendering"]
    try:
        done = subprocess.run(command, input=task, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise template_failure(tokenizer, f"its chat template takes more than {PATIENCE:.0f} seconds") from None
    except OSError as error:
        raise FailureError(f"no process can be started for chat templates: {error.strerror or error}") from error
    if done.returncode == -signal.SIGXCPU:
        raise template_failure(tokenizer, f"its chat template takes more than {SECONDS} seconds")
    if done.returncode < 0:
        raise template_failure(
            tokenizer, f"its chat template ends the process that renders it (signal {-done.returncode})"
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing is said"])[-1]
        raise FailureError(f"chat templates cannot be rendered here: {last[:300]}; mend this node's Python packages")
    answers: list[dict[str, str]] = json.loads(done.stdout)
    return answers


def template_failure(tokenizer: Any, problem: str) -> InputError:
    """What is said of a chat template that is of no use, with its file."""
    folder = str(tokenizer.name_or_path)
    return InputError(
        f"--prompts, --chat: {folder or 'the model'}: {template_file(Path(folder))}: {problem}; mend it, or take "
        "--prompts base and no --chat"
    )


# ---- in the process of its own


def main() -> None:
    """Render what stands on standard input; a template's failure is an answer, too."""
    from transformers.utils.chat_template_utils import render_jinja_template

    task = json.load(sys.stdin)
    _limit()
    try:
        answers = [_rendered(render_jinja_template, task, chat) for chat in task["chats"]]
    except MemoryError:  # of one is enough
        answers = [{"error": f"takes more than {MEMORY >> 20} MiB of memory"}] * len(task["chats"])
    json.dump(answers, sys.stdout)


def _rendered(render: Any, task: Mapping[str, Any], chat: Mapping[str, Any]) -> dict[str, str]:
    try:
        (text,), _ = render(
            [chat["messages"]],
            chat_template=task["template"],
            add_generation_prompt=chat["prompting"],
            **task["variables"],
        )
        if len(text) > LENGTH:
            raise ValueError(f"gives {len(text):,} characters, may give {LENGTH:,}")
        text.encode()  # half a surrogate pair is no text for a tokenizer
        return {"text": text}
    except MemoryError:
        raise
    except Exception as error:
        return {"error": _told(error)}


def _limit() -> None:
    import resource

    import psutil

    seconds = math.ceil(time.process_time()) + SECONDS
    size = psutil.Process().memory_info().vms + MEMORY
    for limit, least, most in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # first the process is told why it ends
        (resource.RLIMIT_AS, size, size),
    ):
        with suppress(ValueError, OSError):  # where the system knows no such limit, or allows even less
            resource.setrlimit(limit, (least, most))


def _told(error: Exception) -> str:
    from jinja2 import TemplateError

    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, (TemplateError, ValueError)) and text else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
