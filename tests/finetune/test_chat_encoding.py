"""Examples in a chat template: prompt and completion together are the conversation as the template renders it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from selfinstruct.errors import InputError
from selfinstruct.finetune.encoding import IGNORED, encode, end_tokens
from selfinstruct.finetune.examples import Example
from tests.tools.random_models import make_tokenizer

TURNS = "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
THINK = TURNS + "{% if add_generation_prompt %}<|start|>assistant\n<think>\n{% endif %}"
EMPTY_THOUGHT = (  # as Qwen's own does with answers that come without a thought
    "{% for m in messages %}<|start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
OPENS = EMPTY_THOUGHT.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
CHANNELS = (  # the model is led to one channel, answers stand in another
    "{% for m in messages %}<|start|>{{ m.role }}<|pad|>{{ 'final' if m.role == 'assistant' }}\n{{ m.content }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant<|pad|>thought{% endif %}"
)
PLAIN = TURNS + "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
EXAMPLE = Example("x", "Add the numbers.", "1 2", "They are 3.")
TASK = "Add the numbers.\n\n1 2"


def encoded(template: str, ends: Sequence[int] = (4,)) -> tuple[Any, list[int], list[int]]:
    """The tokenizer, and an example's ids before and within its completion."""
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    (example,) = encode([EXAMPLE], tokenizer, ends, 200, True, 0).examples
    learnt = [label != IGNORED for label in example.labels]
    head = learnt.index(True)
    assert all(learnt[head:])
    assert example.labels[head:] == example.input_ids[head:]
    return tokenizer, example.input_ids[:head], example.input_ids[head:]


@pytest.mark.parametrize(
    ("template", "completion"),
    [
        (PLAIN, "They are 3.<|end|>"),
        (THINK, "They are 3.<|end|>"),
        (EMPTY_THOUGHT, "<think>\n\n</think>\n\nThey are 3.<|end|>"),
        (OPENS, "\n</think>\n\nThey are 3.<|end|>"),
        (CHANNELS, "final\nThey are 3.<|end|>"),
    ],
    ids=["plain", "an open thought", "an empty thought", "an empty thought that the prompt opens", "channels"],
)
def test_prompt_and_completion_are_the_templates_own_rendering(template: str, completion: str) -> None:
    tokenizer, prompt, answer = encoded(template)
    conversation = [{"role": "user", "content": TASK}, {"role": "assistant", "content": EXAMPLE.output}]
    rendered = str(tokenizer.apply_chat_template(conversation, tokenize=False))
    assert tokenizer.decode(prompt + answer) == rendered.rstrip("\n")
    assert tokenizer.decode(answer) == completion


def test_what_the_model_is_given_is_encoded_as_engines_do() -> None:
    tokenizer, prompt, _ = encoded(OPENS)
    given = [{"role": "user", "content": TASK}]
    assert prompt == tokenizer.apply_chat_template(given, add_generation_prompt=True, return_dict=False)


def test_a_template_that_ends_its_turns_is_enough_of_an_end() -> None:
    _, _, answer = encoded(PLAIN, ends=())
    assert answer[-1] == 4
    _, _, other = encoded(PLAIN, ends=(1,))  # the token that is named comes after all that the template has
    assert other[-1] == 1
    assert other[: len(answer)] == answer
    with pytest.raises(InputError, match="has no end-of-text token; set eos_token"):
        encoded("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", ends=())


def test_without_any_end_no_completion_can_be_learnt(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    text = make_tokenizer().backend_tokenizer.to_str().replace("<|endoftext|>", "<|nothing|>")
    bare = type(make_tokenizer())(tokenizer_object=Tokenizer.from_str(text))
    assert end_tokens(tmp_path, bare) == []
    with pytest.raises(InputError, match="has no end-of-text token; set eos_token"):
        encode([EXAMPLE], bare, [], 200, False, 0)
