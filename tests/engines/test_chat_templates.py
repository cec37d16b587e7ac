"""Chat templates and end tokens as models have them: no system message, thoughts, turns that end with another token."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from jobs.main import main
from selfinstruct.draws import seed_of
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.engines.checkpoint import Located
from selfinstruct.engines.drafts import Ending
from selfinstruct.engines.encoding import PromptEncoder, encode_text
from selfinstruct.engines.ends import end_tokens
from selfinstruct.errors import InputError
from selfinstruct.prompts import SHIPPED, TWO_STEPS, Prompt, PromptSet, Sampling
from selfinstruct.records import Completion, Finish, Kind, Request
from selfinstruct.steps.readers.ends import AT_THE_END, without_end
from selfinstruct.steps.rubric import load_rubric
from tests.tools.random_models import make_model, make_tokenizer

TURNS = "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content | trim }}<|end|>\n{% endfor %}"
ANSWER = "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
SHOWS = TURNS + ANSWER
REFUSES = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + SHOWS
)
DROPS = SHOWS.replace("messages %}", "messages if m.role != 'system' %}")
PROSE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
SYSTEM = "Be brief.\nBe true."

SAMPLING = Sampling(0.0, 1.0, 0.0, 0.0, 12, ())


def prompt_set(system: str = SYSTEM, sampling: Sampling = SAMPLING, *, chat: bool = True) -> PromptSet:
    prompts = {kind: Prompt(f"{kind}: ", "{instruction}", " Now!", sampling) for kind in TWO_STEPS}
    return PromptSet("test", chat, prompts, "", system=system if chat else "")


def prompt_of(template: str, prompts: PromptSet) -> str:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    request = Request("r", Kind.CLASSIFY, "Sing.", 0)
    return str(tokenizer.decode(PromptEncoder(tokenizer, prompts).encode(request).ids))


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("rubric", ["chat", "base"])
def test_a_set_beside_another_is_shown_in_its_own_form(chat: bool, rubric: str) -> None:
    tokenizer, prompts, guest = make_tokenizer(), prompt_set(chat=chat), load_rubric(rubric).prompts
    tokenizer.chat_template = SHOWS
    together = PromptEncoder(tokenizer, prompts.beside(guest))
    for each in (prompts, guest):
        alone = PromptEncoder(tokenizer, each)
        assert {kind: together.frame(kind) for kind in each.kinds} == {kind: alone.frame(kind) for kind in each.kinds}


# ---- the system message


@pytest.mark.parametrize(("template", "said"), [(REFUSES, "refuses a system message"), (DROPS, "leaves out a system")])
def test_a_system_message_that_the_template_does_not_take_stands_before_the_users(
    template: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    shown = prompt_of(template, prompt_set()).removeprefix("<|begin|>")
    assert shown == f"<|start|>user\n{SYSTEM}\n\nclassify: Sing. Now!<|end|>\n<|start|>assistant\n"
    (line,) = warnings_in(caplog)
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "template",
    [
        SHOWS,
        SHOWS.replace("m.content | trim", "m.content | tojson"),
        # as Gemma's own does
        "{% set first = messages[0].content ~ '\n\n' if messages[0].role == 'system' else '' %}"
        "{% for m in messages if m.role != 'system' %}<|start|>{{ m.role }}\n{{ first if loop.first }}{{ m.content }}"
        "<|end|>\n{% endfor %}",
    ],
)
def test_a_system_message_that_is_shown_in_any_form_stays_where_it_is(
    template: str, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    messages = prompt_set().messages("classify: Sing. Now!")
    assert [message["role"] for message in messages] == ["system", "user"]
    own = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert prompt_of(template, prompt_set()) == own
    assert warnings_in(caplog) == []


def test_a_template_that_refuses_the_user_too_is_refused() -> None:
    with pytest.raises(InputError, match=r"chat template fails.*not today"):
        prompt_of("{{ raise_exception('not today') }}", prompt_set())


def test_a_set_without_a_system_message_needs_no_room_for_one(caplog: pytest.LogCaptureFixture) -> None:
    shown = prompt_of(DROPS, prompt_set(system=""))
    assert shown == "<|start|>user\nclassify: Sing. Now!<|end|>\n<|start|>assistant\n"
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("template", [SHOWS, REFUSES, DROPS])
def test_a_kind_that_leaves_the_system_message_out_is_the_user_s_turn_alone(template: str) -> None:
    whole = prompt_set()
    bare = {**whole.prompts, Kind.CLASSIFY: Prompt("", "{instruction}", "", SAMPLING, bare=True)}
    shown = prompt_of(template, replace(whole, prompts=bare)).removeprefix("<|begin|>")
    assert shown == "<|start|>user\nSing.<|end|>\n<|start|>assistant\n"


# ---- the beginning of a user's turn


def with_query(prefix: str = "") -> PromptSet:
    whole = prompt_set()
    query = Prompt(prefix, "", "", SAMPLING, bare=True)
    return replace(whole, prompts={**whole.prompts, Kind.QUERY: query})


@pytest.mark.parametrize(("template", "before"), [(SHOWS, ""), (REFUSES, "<|begin|>"), (DROPS, "")])
def test_a_query_is_what_stands_before_a_users_turn(template: str, before: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    encoder, plain = PromptEncoder(tokenizer, with_query()), PromptEncoder(tokenizer, prompt_set())
    ids = encoder.encode(Request("q", Kind.QUERY, "", 0)).ids
    assert tokenizer.decode(ids) == f"{before}<|start|>user\n"
    assert encoder.frame(Kind.QUERY)[1] == ids[-1:]
    assert {kind: encoder.frame(kind) for kind in TWO_STEPS} == {kind: plain.frame(kind) for kind in TWO_STEPS}


def test_a_query_is_what_the_prompt_folder_says_if_it_says_it() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = SHOWS
    encoder = PromptEncoder(tokenizer, with_query("<|start|>a guest\n"))
    ids = encoder.encode(Request("q", Kind.QUERY, "", 0)).ids
    assert tokenizer.decode(ids) == "<|start|>a guest\n"
    assert ids[0] == tokenizer.convert_tokens_to_ids("<|start|>")


def test_a_template_with_nothing_before_the_user_has_no_query() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"
    with pytest.raises(InputError, match="puts nothing before a user's turn"):
        PromptEncoder(tokenizer, with_query())


@pytest.mark.parametrize("kind", [Kind.QUERY, Kind.CLASSIFY])
def test_a_users_turn_ends_with_what_the_template_puts_after_one(make: Make, kind: Kind) -> None:
    ends_users = SHOWS.replace("<|end|>", "{{ '<|end|>' if m.role == 'assistant' else '<|pad|>' }}")
    engine = open_engine(EngineSettings(model=make("<|pad|>", ends_users)), with_query())
    engine.add([Request("q", kind, "Sing." if kind is Kind.CLASSIFY else "", seed_of("q"))])
    completions: list[Completion] = []
    while not completions:
        completions = engine.step()
    assert (completions[0].text, completions[0].finish, completions[0].completion_tokens) == ("", Finish.STOP, 1)


# ---- ends


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Gives the folder of a model that writes one token again and again, whatever it is asked."""

    def folder_of(token: str, template: str | None = None, *, eos: bool = True, added: tuple[str, ...] = ()) -> str:
        tokenizer, model = make_tokenizer(), make_model("phi", context=2048)
        tokenizer.chat_template = template
        tokenizer.add_special_tokens({"additional_special_tokens": list(added)})
        model.resize_token_embeddings(len(tokenizer))
        if not eos:
            tokenizer.eos_token = None
            model.config.eos_token_id = model.generation_config.eos_token_id = None
        model.lm_head.bias.data[tokenizer.convert_tokens_to_ids(token)] = 1e4
        tokenizer.save_pretrained(tmp_path / "model")
        model.save_pretrained(tmp_path / "model")
        return str(tmp_path / "model")

    return folder_of


def answer_of(model: str, prompts: PromptSet) -> Completion:
    engine = open_engine(EngineSettings(model=model), prompts)
    engine.add([Request("r", Kind.CLASSIFY, "Sing.", seed_of("r"))])
    completions: list[Completion] = []
    while not completions:
        completions = engine.step()
    return completions[0]


def test_an_answer_ends_with_the_token_that_the_template_puts_after_one(make: Make) -> None:
    answer = answer_of(make("<|end|>", SHOWS), prompt_set())
    assert (answer.text, answer.finish, answer.completion_tokens) == ("", Finish.STOP, 1)


def test_what_a_template_puts_elsewhere_ends_nothing(make: Make) -> None:
    answer = answer_of(make("<|start|>", SHOWS), prompt_set())
    assert (answer.finish, answer.completion_tokens) == (Finish.LENGTH, 12)


@pytest.mark.parametrize("chat", [False, True])
def test_a_special_token_that_is_known_to_end_a_turn_ends_an_answer(make: Make, chat: bool) -> None:
    answer = answer_of(make("<|eot_id|>", PROSE, added=("<|eot_id|>",)), prompt_set(chat=chat))
    assert (answer.text, answer.finish, answer.completion_tokens) == ("", Finish.STOP, 1)


@pytest.mark.parametrize(
    ("template", "chat", "eos", "said"),
    [
        (PROSE, True, False, "<|endoftext|> is taken for one"),
        (SHOWS, False, False, "<|endoftext|> is taken for one"),
        (SHOWS, True, False, ""),
        (PROSE, True, True, ""),
    ],
)
def test_a_model_that_names_no_end_is_told_of_when_it_is_opened(
    make: Make, caplog: pytest.LogCaptureFixture, template: str, chat: bool, eos: bool, said: str
) -> None:
    folder = make("a", template, eos=eos)
    open_engine(EngineSettings(model=folder), prompt_set(chat=chat))
    lines = [line for line in warnings_in(caplog) if "no token that ends a text" in line]
    assert len(lines) == bool(said)
    assert all(folder in line and said in line and "\n" not in line and "eos_token" in line for line in lines)


def test_a_model_without_any_end_is_told_of_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = make_tokenizer()
    text = tokenizer.backend_tokenizer.to_str().replace("<|endoftext|>", "<|nothing|>")
    bare = type(tokenizer)(tokenizer_object=Tokenizer.from_str(text))
    (tmp_path / "config.json").write_text("{}")
    assert end_tokens(Located("m", tmp_path, False), bare, []) == []
    (line,) = warnings_in(caplog)
    assert "answers go on to a stop string or to max_tokens" in line


def test_an_end_token_in_the_generation_configuration_is_enough(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(make("<|pad|>", PROSE, eos=False))
    (folder / "generation_config.json").write_text('{"eos_token_id": [300, 2]}')
    answer = answer_of(str(folder), prompt_set())
    assert (answer.finish, answer.completion_tokens) == (Finish.STOP, 1)
    assert warnings_in(caplog) == []


def test_an_end_that_the_model_spells_out_is_cut(make: Make) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make("a"))
    ending = Ending(tokenizer, {tokenizer.eos_token_id}, ())
    spelt = encode_text(tokenizer, "Output: 9<|endoftext|>")
    assert tokenizer.eos_token_id not in spelt
    assert ending.cut(spelt) == ("Output: 9", True)
    assert ending.cut([*spelt, tokenizer.eos_token_id]) == ("Output: 9", True)
    within = encode_text(tokenizer, "<|endoftext|> ends a text of this model.")
    assert ending.cut(within) == ("<|endoftext|> ends a text of this model.", False)
    assert ending.cut(encode_text(tokenizer, "It ends with <|im_end|>")) == ("It ends with <|im_end|>", False)


@given(
    st.text(), st.lists(st.sampled_from(AT_THE_END), min_size=1, max_size=4), st.sampled_from(["", " ", "\n", "\n\n"])
)
def test_ends_are_cut_at_the_end_and_nowhere_else(text: str, ends: list[str], gap: str) -> None:
    whole = without_end(text)
    assert text.startswith(whole)
    assert whole == text or any(end in text for end in AT_THE_END)
    assert without_end(text + gap + gap.join(ends) + gap) == whole.rstrip() or "</s>" in ends
    assert without_end(text + "x") == text + "x"


def test_a_text_without_an_end_keeps_its_blanks() -> None:
    assert without_end("  code\n    ") == "  code\n    "
    assert without_end("9</s></s>\n<|im_end|> ") == "9"
    assert without_end("<s>9</s>") == "<s>9</s>"
    assert without_end("<s>9</s></s>") == "<s>9</s>"


# ---- the commands


def test_a_chat_model_without_a_system_role_can_be_tried(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    model, prompts = make("a", REFUSES), tmp_path / "prompts"
    shutil.copytree(SHIPPED / "instruct", prompts)
    for name in ("propose", "instantiate"):
        text = (prompts / f"{name}.toml").read_text()
        (prompts / f"{name}.toml").write_text(text.replace("max_tokens = 1", "max_tokens = 2 # 1"))
    assert main(["try", "--model", model, "--prompts", str(prompts), "--number", "3"]) == 0
    assert "a" in capsys.readouterr().out
    assert sum("refuses a system message" in warning for warning in warnings_in(caplog)) == 1
