"""The engine that asks a server: the protocol's words, and every way in which a server has failed somebody."""

from __future__ import annotations

import json
import logging
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, cast

import pytest

from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.draws import seed_of
from selfinstruct.engines import EngineSettings, OpenAIOptions, identify, open_engine, openai, openai_api, pinned
from selfinstruct.errors import FailureError, InputError, YieldError
from selfinstruct.prompts import Prompt, PromptSet, Sampling, load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Kind, Request, Table
from selfinstruct.steps.rubric import load_rubric
from selfinstruct.storage.store import RunStore
from tests.tools.server import Handler, Server, Trick, choice, error, saying, serving, text_for

KEY = "sk-very-secret-0123456789"
BASE, CHAT, INSTRUCT = (load_prompts(name) for name in ("base", "chat", "instruct"))


def reset(handler: Handler) -> None:
    """The beginning of an answer, then a reset connection."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """A byte at a time, each in time, for longer than anybody waits."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(40):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


def garbage(handler: Handler) -> None:
    handler.send(b'{"choices": [{"text": "half')


def web_page(handler: Handler) -> None:
    handler.send(b"<html>maintenance</html>", kind="text/html")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(openai, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", KEY)
    with serving() as running:
        yield running


def settings_for(server: Server, model: str = "m", **options: Any) -> EngineSettings:
    return EngineSettings("openai", model, openai=OpenAIOptions(**{"url": server.url, "retries": 3, **options}))


def make_requests(count: int, kind: Kind = Kind.CLASSIFY) -> list[Request]:
    return [Request(f"{kind}/{n}", kind, f"Task: number {n}.\n", seed_of(kind, n)) for n in range(count)]


def complete(
    server: Server, requests: Sequence[Request], prompts: PromptSet = BASE, **options: Any
) -> dict[str, Completion]:
    with closing(cast(openai.OpenAIEngine, open_engine(settings_for(server, **options), prompts))) as engine:
        engine.add(requests)
        done: dict[str, Completion] = {}
        while len(done) < len(requests):
            for completion in engine.step():
                assert completion.request_id not in done
                done[completion.request_id] = completion
        assert engine.step() == []
    return done


def complete_one(server: Server, *tricks: Trick, prompts: PromptSet = BASE, **options: Any) -> Completion:
    server.tricks["number 0."] = list(tricks)
    (request,) = make_requests(1)
    return complete(server, [request], prompts, **options)[request.id]


def step_on(engine: Engine, done: list[Completion]) -> None:
    """Until the engine raises."""
    while True:
        done += engine.step()


def asked_for(prompts: PromptSet, request: Request) -> str:
    return prompts[request.kind].prefix + request.suffix + prompts[request.kind].tail


def with_sampling(**changes: Any) -> PromptSet:
    values = {"temperature": 0.7, "top_p": 0.5, "frequency_penalty": 0.0, "presence_penalty": 0.0, "max_tokens": 9}
    sampling = Sampling(**{**values, "stop": (), **changes})
    return PromptSet("test", False, dict.fromkeys(Kind, Prompt("before ", "{instruction}", " after", sampling)), "")


# the protocol


@pytest.mark.parametrize("prompts", [BASE, CHAT], ids=["base", "chat"])
def test_the_whole_prompt_is_sent_and_the_answer_comes_back(server: Server, prompts: PromptSet) -> None:
    requests = [request for kind in prompts.kinds for request in make_requests(2, kind)]
    done = complete(server, requests, prompts)
    seeds = {body["seed"] for body in server.bodies}
    assert len(seeds) == len(requests)
    assert all(0 <= seed < 2**31 for seed in seeds)
    for request in requests:
        prompt = asked_for(prompts, request)
        completion = done[request.id]
        assert completion.text in {text_for(prompt, seed) for seed in seeds}
        assert completion.finish is Finish.STOP
        assert completion.prompt_tokens == len(prompt.split())
        assert completion.completion_tokens == 1


def test_sampling_is_sent_without_what_is_neutral(server: Server) -> None:
    stop = ("a", "b", "c", "d", "e")
    complete_one(server, prompts=with_sampling(presence_penalty=2.0, frequency_penalty=0.5, stop=stop))
    complete_one(server, prompts=with_sampling(temperature=0.0, top_p=0.0))
    full, greedy = server.bodies
    assert full == {
        "model": "m",
        "prompt": "before Task: number 0.\n after",
        "max_tokens": 9,
        "temperature": 0.7,
        "top_p": 0.5,
        "presence_penalty": 2.0,
        "frequency_penalty": 0.5,
        "stop": ["a", "b", "c", "d"],
        "seed": full["seed"],
    }
    assert greedy.keys() == {"model", "prompt", "max_tokens", "temperature", "seed"}


def test_what_only_some_servers_know_is_sent_when_it_is_asked_for(server: Server) -> None:
    prompts = load_prompts("instruct")
    (request,) = make_requests(1, Kind.INSTANTIATE)

    def body(prompts: PromptSet, **options: Any) -> dict[str, Any]:
        complete(server, [request], prompts, **options)
        return server.bodies[-1]

    plain = body(prompts)
    assert [message["role"] for message in plain["messages"]] == ["system", "user"]
    assert plain["messages"][0]["content"] == prompts.system
    assert plain["messages"][1]["content"] == asked_for(prompts, request)
    asked = body(prompts.with_template({"enable_thinking": False}), structured=True)
    form = asked.pop("response_format")
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == json.loads(prompts[Kind.INSTANTIATE].schema)
    assert asked.pop("chat_template_kwargs") == {"enable_thinking": False}
    assert asked == plain
    changed = body(prompts, body=("max_tokens=null", "max_completion_tokens=900", "reasoning={effort: low}"))
    assert changed.pop("max_completion_tokens") == 900
    assert changed.pop("reasoning") == {"effort": "low"}
    assert {**changed, "max_tokens": plain["max_tokens"]} == plain


def test_what_alters_the_answers_is_part_of_the_identity(server: Server) -> None:
    plain = identify(settings_for(server))
    assert identify(settings_for(server, structured=True)) == {**plain, "structured": "true"}
    assert identify(settings_for(server, body=("b=1", "a=2"))) == {**plain, "body": '{"a": 2, "b": 1}'}
    with pytest.raises(InputError, match=r"--openai\.body: 'a' is not of the form name=value"):
        identify(settings_for(server, body=("a",)))


def test_what_a_reasoning_parser_set_apart_is_not_the_answer(server: Server) -> None:
    answer = choice(None, "length", chat=True)
    answer["choices"][0]["message"]["reasoning_content"] = "Let me think"
    cut = complete_one(server, saying(answer), prompts=CHAT)
    assert (cut.text, cut.finish) == ("", Finish.LENGTH)


def test_the_text_is_what_is_no_thought_of_several_parts(server: Server) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    parts = [thought, {"type": "text", "text": "One, "}, {"type": "image_url"}, {"type": "text", "text": "two."}]
    answer = choice(None, chat=True)
    answer["choices"][0]["message"]["content"] = parts
    done = complete_one(server, saying(answer), prompts=CHAT)
    assert (done.text, done.finish, done.error) == ("One, two.", Finish.STOP, None)


def test_an_answer_without_content_is_empty_and_says_what_there_is_instead(server: Server) -> None:
    def ends(finish: str, **message: object) -> tuple[str, Finish, str | None]:
        body = {"choices": [{"finish_reason": finish, "message": {"role": "assistant", **message}}]}
        completion = complete_one(server, saying(body), prompts=CHAT)
        return completion.text, completion.finish, completion.error

    assert ends("length") == ("", Finish.LENGTH, None)
    assert ends("max_tokens", content=[]) == ("", Finish.LENGTH, None)
    thoughts = "no answer: all that the model wrote is in reasoning_content"
    assert ends("length", reasoning_content="Hm.") == ("", Finish.LENGTH, thoughts)
    assert ends("stop", content="", reasoning_content="Hm.") == ("", Finish.STOP, thoughts)
    refusal = ("", Finish.STOP, "the model refuses: I will not.")
    assert ends("stop", content=None, refusal="I will not.") == refusal
    assert ends("stop", content=[{"type": "refusal", "refusal": "I will not."}]) == refusal
    assert ends("tool_calls", tool_calls=[]) == ("", Finish.STOP, "no answer: finish_reason is tool_calls")
    assert ends("error", content="half") == ("", Finish.FAILED, "the server broke the answer off")


def test_usage_that_cannot_be_is_counted_here(server: Server) -> None:
    words = len(asked_for(BASE, make_requests(1)[0]).split())
    for odd in (-1, 2**40, 1.5, True, "12", None, [3], {}):
        usage = {"prompt_tokens": odd, "completion_tokens": odd, "prompt_tokens_details": {"cached_tokens": odd}}
        done = complete_one(server, saying(choice("one two", usage=usage)))
        assert (done.prompt_tokens, done.completion_tokens, done.cached_tokens) == (words, 2, 0)
    for usage_ in ("many", [1], 7):
        assert complete_one(server, saying(choice("one two", usage=usage_))).completion_tokens == 2
    assert complete_one(server, saying(choice("one two", usage={"completion_tokens": 9.0}))).completion_tokens == 9


def test_ends_of_a_turn_that_the_server_leaves_are_cut(server: Server) -> None:
    for text in ("9</s>", "9<|eot_id|>\n", "9</s></s>", "9 <|im_end|><|endoftext|>"):
        done = complete_one(server, saying(choice(text, "length")))
        assert (done.text, done.finish) == ("9", Finish.STOP)
    stopped = complete_one(server, saying(choice("9<end_of_turn>\nTask: next")), prompts=with_sampling(stop=("Task:",)))
    assert stopped.text == "9"
    within = complete_one(server, saying(choice("The tag </s> ends it.")))
    assert within.text == "The tag </s> ends it."


# no system message

NO_SYSTEM = "System role not supported"


@pytest.mark.parametrize(
    "reply",
    [
        saying({"object": "error", "message": NO_SYSTEM, "code": 400}, 400),
        saying([{"error": {"message": "Developer instruction is not enabled", "code": 400}}], 400),
        saying({"error": {"message": "Conversation roles must alternate"}}, 422),
        saying({"error": {"message": NO_SYSTEM, "code": 500}}, 500),
        saying({"error": {"message": "Conversation roles must alternate user/assistant"}}, 500),
        saying({"error": {"message": "Only user and assistant roles are supported!"}}, 503),
        saying({"error": {"message": NO_SYSTEM}}),
    ],
    ids=["400", "400 in a list", "422 in other words", "500", "500 in other words", "503", "200"],
)
@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_server_that_takes_no_system_message_gets_its_text_in_the_users(
    server: Server, reply: Trick, concurrency: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.always = lambda body: reply if body["messages"][0]["role"] == "system" else None
    requests = make_requests(40, Kind.INSTANTIATE)
    done = complete(server, requests, INSTRUCT, concurrency=concurrency)
    assert {completion.finish for completion in done.values()} == {Finish.STOP}
    served = [body["messages"] for body in server.bodies if len(body["messages"]) == 1]
    expected = {f"{INSTRUCT.system}\n\n{asked_for(INSTRUCT, request)}" for request in requests}
    assert {message["content"] for (message,) in served} == expected
    assert len(served) == 40
    assert len(server.bodies) - len(served) <= concurrency  # as many as were under way until it was known
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "the server refuses a system message: its text stands at the head of the user's message"
    ]


def test_what_is_refused_with_and_without_a_system_message_fails_alone(server: Server) -> None:
    server.tricks["number 0."] = [error(400, "too long")] * 2
    done = complete(server, make_requests(6, Kind.INSTANTIATE), INSTRUCT, concurrency=1)
    assert done.pop("instantiate/0").error == "400: too long"
    assert {completion.finish for completion in done.values()} == {Finish.STOP}
    roles = [body["messages"][0]["role"] for body in server.bodies]
    assert roles == ["system", "user", *["system"] * 5]


def test_a_server_in_trouble_is_not_taken_for_one_without_system_messages(server: Server) -> None:
    server.tricks["number"] = [error(503, "The system is overloaded"), saying({"error": "overloaded"})]
    complete(server, make_requests(3, Kind.INSTANTIATE), INSTRUCT, concurrency=1)
    assert all(body["messages"][0]["role"] == "system" for body in server.bodies)


@pytest.mark.parametrize(("prompts", "rubric"), [(INSTRUCT, "chat"), (BASE, "chat"), (CHAT, "base")])
def test_a_set_beside_another_is_asked_in_its_own_form(server: Server, prompts: PromptSet, rubric: str) -> None:
    guest, kind = load_rubric(rubric).prompts, prompts.kinds[-1]

    def bodies(prompts: PromptSet, *kinds: Kind) -> dict[int, dict[str, Any]]:
        server.bodies.clear()
        complete(server, [request for kind in kinds for request in make_requests(2, kind)], prompts)
        return {body["seed"]: body for body in server.bodies}

    apart = bodies(prompts, kind) | bodies(guest, Kind.CHECK)
    assert bodies(prompts.beside(guest), Kind.CHECK, kind) == apart
    assert len(apart) == 4


def test_who_has_no_system_message_tells_nothing_of_one_that_is_refused(server: Server) -> None:
    refused = error(400, NO_SYSTEM)
    server.always = lambda body: refused if body["messages"][0]["role"] == "system" else None
    requests = [*make_requests(3, Kind.CHECK), *make_requests(3, Kind.INSTANTIATE)]
    done = complete(server, requests, INSTRUCT.beside(load_rubric("chat").prompts), concurrency=1)
    assert {completion.finish for completion in done.values()} == {Finish.STOP}


@pytest.mark.parametrize(("endpoint", "prompts"), [("chat", BASE), ("completions", CHAT)])
def test_the_endpoint_can_be_chosen(server: Server, endpoint: str, prompts: PromptSet) -> None:
    assert complete_one(server, prompts=prompts, endpoint=endpoint).finish is Finish.STOP
    assert ("messages" in server.bodies[0]) is (endpoint == "chat")


def test_a_chat_set_without_the_chat_endpoint_keeps_its_system_text(server: Server) -> None:
    (request,) = make_requests(1, Kind.INSTANTIATE)
    complete(server, [request], INSTRUCT, endpoint="completions")
    assert server.bodies[0]["prompt"] == f"{INSTRUCT.system}\n\n{asked_for(INSTRUCT, request)}"


def test_a_text_ends_before_its_earliest_stop_string(server: Server) -> None:
    prompts = with_sampling(stop=("a", "b", "c", "d", "FIVE", "six"))
    done = complete_one(server, saying(choice("one six two FIVE three", "length")), prompts=prompts)
    assert (done.text, done.finish) == ("one ", Finish.STOP)


def test_finish_usage_and_empty_texts(server: Server) -> None:
    usage = {"prompt_tokens": 70, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 64}}
    cut = complete_one(server, saying(choice("one two", "length", usage=usage)))
    assert (cut.text, cut.finish, cut.prompt_tokens, cut.completion_tokens) == ("one two", Finish.LENGTH, 70, 3)
    assert cut.cached_tokens == 64
    empty = complete_one(server, saying(choice("")))
    assert (empty.text, empty.finish, empty.error) == ("", Finish.STOP, None)
    null = complete_one(server, saying(choice(None, chat=True)), prompts=CHAT)
    assert (null.text, null.finish, null.error) == ("", Finish.STOP, None)
    assert complete_one(server, saying(choice("half a \ud800pair"))).text == "half a \ufffdpair"
    assert complete_one(server, saying(choice("no", "content_filter"))).finish is Finish.FAILED


def test_completions_do_not_depend_on_order_or_concurrency(server: Server) -> None:
    server.delay = 0.01
    requests = make_requests(40)
    expected = complete(server, requests, concurrency=1)
    for concurrency in (3, 40):
        random.shuffle(requests)
        assert complete(server, requests, concurrency=concurrency) == expected


def test_never_more_than_the_bound_are_under_way(server: Server) -> None:
    server.delay = 0.02
    server.tricks["Task"] = [error(500), reset, error(429)] * 3
    complete(server, make_requests(60), concurrency=7)
    assert 1 < server.most <= 7


def test_several_servers_share_the_requests(server: Server) -> None:
    with serving() as other:
        server.delay = other.delay = 0.02
        urls = f"{server.url},{other.url}"
        done = complete(server, make_requests(60), url=urls, concurrency=4)
    assert max(server.most, other.most) <= 4
    assert len(other.bodies) + len(server.bodies) == 60
    assert 15 <= len(other.bodies) <= 45
    assert done == complete(server, make_requests(60))


def test_a_server_that_is_gone_costs_few_attempts(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        gone = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    server.delay = 0.01
    done = complete(server, make_requests(80), url=f"{gone},{server.url}", concurrency=4, retries=1)
    assert {each.finish for each in done.values()} == {Finish.STOP}
    assert f"nothing answers at {gone}/models" in caplog.text


def test_a_server_that_fails_for_a_while_is_asked_again_later(server: Server) -> None:
    with serving() as other:
        server.delay = other.delay = 0.02
        other.tricks["Task"] = [error(503)] * 3
        done = complete(server, make_requests(120), url=f"{server.url},{other.url}", concurrency=4, retries=3)
    assert {each.finish for each in done.values()} == {Finish.STOP}
    assert len(other.bodies) > 20


def only_m(body: dict[str, Any]) -> Trick | None:
    """A server that takes no name but that of a model that it lists."""
    return None if body["model"] == "m" else error(404, f"no model {body['model']}")


@pytest.mark.parametrize(("prompts", "path"), [(BASE, "completions"), (INSTRUCT, "chat/completions")])
def test_a_model_that_the_server_has_not_got_is_found_out_before_any_work(
    prompts: PromptSet, path: str, server: Server
) -> None:
    server.always = only_m
    named = rf"{path} answers 404: no model mm; name a model that the server has \(m, another\)"
    with pytest.raises(InputError, match=named):
        open_engine(settings_for(server, "mm"), prompts)


def test_a_chat_model_that_is_listed_costs_no_token(server: Server) -> None:
    with closing(cast(openai.OpenAIEngine, open_engine(settings_for(server), INSTRUCT))):
        assert server.tried == []


@pytest.mark.parametrize("answer", [None, 400, 429, 503])
def test_a_server_that_takes_any_name_or_has_other_troubles_is_not_refused(answer: int | None, server: Server) -> None:
    server.always = lambda body: error(answer) if answer else None
    with closing(cast(openai.OpenAIEngine, open_engine(settings_for(server, "mm"), INSTRUCT))):
        assert [body["model"] for body in server.tried] == ["mm"]


def test_a_wrong_address_is_found_out_before_any_work(server: Server) -> None:
    with pytest.raises(InputError, match="it often ends with /v1"):
        open_engine(settings_for(server, url=server.url.removesuffix("/v1")), INSTRUCT)


@pytest.mark.parametrize(
    ("wrong", "told"), [(["--model", "mm"], "no model mm"), (["--model", "m", "--prompts", "base"], "no route")]
)
def test_after_a_wrong_name_or_prompt_set_the_right_one_begins_the_run(
    wrong: list[str], told: str, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server of one chat model, without completions."""
    server.always = lambda body: only_m(body) or (error(404, "no route") if "prompt" in body else None)
    out = tmp_path / "run"
    options = ["--engine", "openai", "--openai.url", server.url, "--prompts", "instruct", "--out", str(out)]
    assert main(["generate", *options, *wrong]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "take other --prompts: chat sets go to /chat/completions" in said
    assert "goes on" not in said
    assert not RunStore(str(out)).rounds(Table.CANDIDATES)
    assert main(["generate", *options, "--model", "m", "--target", "1"]) == YieldError.exit_code  # it answers no tasks


@pytest.mark.parametrize(("failures", "lines"), [(2, 0), (3, 1)])
def test_a_server_that_answers_nothing_is_told_of_once(
    failures: int, lines: int, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(8):
        server.tricks[f"number {number}."] = [error(503)] * failures
    assert {each.finish for each in complete(server, make_requests(8)).values()} == {Finish.STOP}
    told = [each for each in caplog.messages if each.startswith(f"{server.url}/completions: 503")]
    assert len(told) == lines
    assert all(each.endswith("asking again, with growing pauses") for each in told)


def test_a_proxy_of_the_environment_is_gone_through(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    openai._proxy.cache_clear()
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY")
    asked = "http://elsewhere.invalid/v1"
    identify(settings_for(server, url=asked))
    monkeypatch.setenv("NO_PROXY", "elsewhere.invalid")
    openai._proxy.cache_clear()
    with pytest.raises(InputError, match="nothing answers"):
        identify(settings_for(server, url=asked))
    openai._proxy.cache_clear()


def test_adding_returns_at_once_and_steps_are_short(server: Server) -> None:
    server.tricks["number 0."] = [drip]
    with closing(cast(openai.OpenAIEngine, open_engine(settings_for(server, timeout=5), BASE))) as engine:
        assert engine.step() == []
        begin = time.monotonic()
        engine.add(make_requests(1))
        assert engine.step() == []
        assert time.monotonic() - begin < 1
    assert threading.active_count() < 20
    assert not any(thread.name == "openai" for thread in threading.enumerate())


def test_an_engine_that_nobody_holds_ends_its_thread(server: Server) -> None:
    engine = open_engine(settings_for(server), BASE)
    assert any(thread.name == "openai" for thread in threading.enumerate())
    del engine
    assert not any(thread.name == "openai" for thread in threading.enumerate())


# a server that misbehaves

INFRASTRUCTURE: dict[str, Trick] = {
    "429": error(429),
    "429 with Retry-After": error(429, Retry_After="0"),
    "408": error(408),
    "409": error(409),
    "500": error(500),
    "503 without a body": lambda handler: handler.send(b"", 503),
    "reset mid-body": reset,
    "slow-loris": drip,
    "invalid JSON": garbage,
    "no JSON": web_page,
}


@pytest.mark.parametrize("trick", INFRASTRUCTURE.values(), ids=INFRASTRUCTURE.keys())
def test_what_is_not_the_requests_fault_is_asked_again(server: Server, trick: Trick) -> None:
    untroubled = complete_one(server)
    assert complete_one(server, trick, trick, timeout=0.3) == untroubled
    assert len(server.bodies) == 4
    with pytest.raises(FailureError, match="failed 2 times in a row; the last: ") as caught:
        complete_one(server, trick, trick, timeout=0.3, retries=1)
    assert len(str(caught.value).splitlines()) == 1


NO_COMPLETION: dict[str, tuple[object, str]] = {
    "no choices": ({"choices": []}, 'the answer holds no choice with a text: {"choices": []}'),
    "no object": ([1], "the answer holds no choice with a text: [1]"),
    "no text": ({"choices": [{"finish_reason": "stop"}]}, "the answer holds no choice with a text"),
    "a number for a text": ({"choices": [{"text": 3}]}, "the answer's content is 3, no text"),
    "an error": ({"error": {"message": "out of\nmemory", "code": None}}, "out of memory"),
    "an error as a text": ({"error": "CUDA error"}, "CUDA error"),
    "an error in the choice": ({"choices": [{"error": {"message": "lost"}, "text": "half"}]}, "lost"),
}


@pytest.mark.parametrize(("answer", "words"), NO_COMPLETION.values(), ids=NO_COMPLETION.keys())
def test_json_that_is_no_completion_is_asked_for_again_and_then_fails_alone(
    server: Server, answer: object, words: str
) -> None:
    untroubled = complete_one(server)
    assert complete_one(server, saying(answer), saying(answer)) == untroubled
    server.bodies.clear()
    server.tricks["number 3."] = [saying(answer)] * 9
    done = complete(server, make_requests(6), retries=8)
    failed = done.pop("classify/3")
    assert failed.finish is Finish.FAILED
    assert str(failed.error).startswith(words)
    assert {completion.finish for completion in done.values()} == {Finish.STOP}
    assert len(server.bodies) == 6 + openai_api.HICCUPS


@pytest.mark.parametrize(("code", "asked"), [(400, 1), ("400", 1), (429, 4), (503, 4)])
def test_an_error_with_status_200_is_taken_by_the_code_that_it_names(server: Server, code: object, asked: int) -> None:
    failed = complete_one(server, *[saying({"object": "error", "message": "no", "code": code})] * 9, retries=3)
    assert (failed.finish, failed.error) == (Finish.FAILED, f"{code}: no")
    assert len(server.bodies) == asked


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_honoured(server: Server, date: bool) -> None:
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if date else "0.7"
    complete_one(server, error(429, Retry_After=asked))
    assert server.times[1] - server.times[0] > 0.69


def test_a_server_that_wants_to_be_left_alone_for_long_has_failed(server: Server) -> None:
    with pytest.raises(FailureError, match="failed 1 times in a row; the last: 429: quota"):
        complete_one(server, error(429, "quota", Retry_After="86400"))


def test_waits_grow_and_are_random() -> None:
    def waits(attempt: int) -> list[float]:
        from tenacity import RetryCallState

        state = RetryCallState(cast(Any, None), None, (), {})
        state.attempt_number = attempt
        return [openai._pause(state) for _ in range(200)]

    assert max(waits(1)) <= 1 < max(waits(4)) <= 8 < max(waits(20)) <= 60
    assert min(waits(20)) < 10


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_refused_fails_alone(server: Server, status: int) -> None:
    server.tricks["number 3."] = [error(status, "context length\nis 4096")]
    done = complete(server, make_requests(6))
    failed = done.pop("classify/3")
    assert failed.finish is Finish.FAILED
    assert failed.error == f"{status}: context length is 4096"
    assert {completion.finish for completion in done.values()} == {Finish.STOP}
    assert len(server.bodies) == 6


def test_a_context_that_cannot_hold_the_prompts_is_found_before_the_first_request(server: Server) -> None:
    server.context = 1200
    with pytest.raises(InputError) as caught:
        open_engine(settings_for(server), BASE)
    assert len(caught.value.problems) == 2
    assert re.search(r"context of 1200 tokens cannot hold the input_first prompt of \d+ words", str(caught.value))
    assert server.bodies == []
    for context in (8192, None, "long"):
        server.context = context
        open_engine(settings_for(server), BASE).close()


def test_a_failed_engine_hands_over_what_it_has_and_is_closed(server: Server) -> None:
    server.tricks["number 3."] = [error(500)] * 2
    done: list[Completion] = []
    engine = open_engine(settings_for(server, retries=1, concurrency=1), BASE)
    engine.add(make_requests(6))
    with pytest.raises(FailureError):
        step_on(engine, done)
    assert {completion.request_id for completion in done} >= {"classify/0", "classify/1", "classify/2"}
    assert not any(thread.name == "openai" for thread in threading.enumerate())
    with pytest.raises(FailureError):
        engine.step()


@pytest.mark.parametrize(
    ("status", "message", "option"),
    [
        (401, f"wrong key {KEY}", "--openai.key_env"),
        (403, "not for you", "--openai.key_env"),
        (404, "The model `m` does not exist", "--model"),
        (302, "elsewhere", "--openai.url"),
    ],
)
def test_what_every_request_would_meet_ends_the_work(server: Server, status: int, message: str, option: str) -> None:
    for key in ({}, {"key_env": "TEST_KEY"}):
        with pytest.raises(InputError) as caught:
            complete_one(server, error(status, message), **key)
        assert option in str(caught.value)
        assert len(caught.value.problems) == 1
        if key:
            assert KEY not in str(caught.value)


# before any work


def test_the_identity_holds_neither_address_nor_key(server: Server) -> None:
    settings = settings_for(server, key_env="TEST_KEY")
    identity = identify(settings)
    assert identity == {"engine": "openai", "model": "m", "endpoint": "auto"}
    assert pinned(settings, identity) == settings
    server.models = 404  # a server without a list
    assert identify(settings) == identity


def test_a_server_that_is_not_there(server: Server) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    for attempt, kind in ((identify, InputError), (lambda settings: open_engine(settings, BASE), FailureError)):
        with pytest.raises(kind, match=r"--openai\.url: nothing answers at") as caught:
            attempt(settings_for(server, url=url))
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"url": "127.0.0.1:8000"}, "--openai.url"),
        ({"url": "http://127.0.0.1:8000/v1,here"}, "--openai.url"),
        ({"url": ""}, "--openai.url"),
        ({"url": "http://me:secret@127.0.0.1/v1"}, "--openai.url"),
        ({"url": "http://127.0.0.1:port/v1"}, "--openai.url"),
        ({"endpoint": "responses"}, "--openai.endpoint"),
        ({"concurrency": 0}, "--openai.concurrency"),
        ({"timeout": 0.0}, "--openai.timeout"),
        ({"retries": -1}, "--openai.retries"),
        ({"key_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE must hold a key"),
        ({"key_file": Path("/no/such/file")}, "/no/such/file cannot be read"),
        ({"key_env": "TEST_KEY", "key_file": Path("/no/such/file")}, "not both"),
        ({"model": "tiny"}, "--model"),
    ],
)
def test_wrong_options_are_said_by_name(server: Server, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        identify(settings_for(server, **options))
    assert "secret@" not in str(caught.value)


# the key


def test_the_key_is_sent_and_shown_nowhere(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    failed = complete_one(server, error(400, f"bad request with key {KEY}"), key_file=file)
    assert failed.error == "400: bad request with key [key]"
    complete_one(server, key_env="TEST_KEY")
    assert set(server.keys) == {f"Bearer {KEY}"}
    settings = settings_for(server, key_env="TEST_KEY")
    engine = open_engine(settings, BASE)
    server.tricks["number 0."] = [error(500, f"oh {KEY}")] * 4
    engine.add(make_requests(1))
    with pytest.raises(FailureError) as caught:
        step_on(engine, [])
    shown = [caplog.text, *capfd.readouterr(), repr(engine), repr(vars(engine)), repr(settings)]
    cause: BaseException | None = caught.value
    while cause:
        shown += [str(cause), repr(cause), repr(vars(cause))]
        cause = cause.__cause__ or cause.__context__
    assert not [text for text in shown if KEY in text]


def test_no_key_no_header(server: Server) -> None:
    complete_one(server)
    assert set(server.keys) == {None}


# the commands


def test_the_options_reach_the_engine(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--engine", "openai", "--model", "m", "--openai.url", server.url, "--openai.key_env", "TEST_KEY"]
    assert main(["try", *command, "--prompts", "chat", "--number", "5"]) == 0
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in "".join(capsys.readouterr())
    options = OpenAIOptions(url=server.url)
    settings = GenerateSettings(engine="openai", model="m", openai=options)
    assert settings.proposer == settings.labeller == EngineSettings("openai", "m", openai=options)
