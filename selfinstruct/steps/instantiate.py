"""Generating and filtering instances (paper, sections 2.2.3 and 2.2.4; the released code's dialects).

Classification tasks are asked output-first, so that their labels are balanced; all others input-first. A prompt set
for chat models may ask for both in one request (`Kind.INSTANTIATE`): then the answer says of which kind the task is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfinstruct.draws import Draws
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Candidate, Instance, InstanceRow, Kind, Reason
from selfinstruct.steps.answers import as_text, json_values

_EXAMPLE = re.compile(r"(?:^|\n)[ \t]*Example(?:[ \t]*\d+\b[.:]?|[ \t]*[.:]|[ \t]*(?=\n|$))")
_OUTPUT = re.compile(r"\bOutput[ \t]*\d*[ \t]*:")
_INPUT = re.compile(r"\bInput[ \t]*\d*[ \t]*:")
_SAID = re.compile(r'"classification"\s*:\s*"?(true|yes|false|no)\b', re.IGNORECASE)
_CLASS_LABEL = re.compile(r"Class label[ \t]*\d*[ \t]*:")

Verdict = tuple[Instance, Reason | None]


@dataclass(frozen=True)
class InstanceSettings:
    """Limits on the instances of one instruction.

    Args:
        most: Instances kept per instruction, chosen at random among the valid ones.
    """

    most: int = 5


def render_instantiate(instruction: str, is_classification: bool | None, prompts: PromptSet) -> tuple[Kind, str]:
    """The kind and the suffix of the request for instances. None: the request asks which kind of task it is, too."""
    if is_classification is None:
        kind = Kind.INSTANTIATE
    else:
        kind = Kind.OUTPUT_FIRST if is_classification else Kind.INPUT_FIRST
    return kind, prompts[kind].fill(instruction=instruction)


def read_instances(kind: Kind, text: str, prompts: PromptSet) -> tuple[bool, list[Instance]]:
    """Whether a completion's task is classification, and its instances: JSON, or the form that `kind` asks for.

    With `Kind.INSTANTIATE` a JSON answer says it under "classification", and any other by beginning with a label.
    """
    answer = prompts.answer(text) or ""
    if prompts[kind].schema and (found := _from_json(answer)):
        said = _SAID.search(answer)
        yes = said is not None and said.group(1).lower() in ("true", "yes")
        return (yes if kind is Kind.INSTANTIATE else kind is Kind.OUTPUT_FIRST), found
    if kind is Kind.INSTANTIATE:
        kind = Kind.OUTPUT_FIRST if _CLASS_LABEL.search(answer) else Kind.INPUT_FIRST
    return kind is Kind.OUTPUT_FIRST, parse_instances(kind, answer)


def _from_json(text: str) -> list[Instance]:
    """Every object with an output, wherever it stands, so that of an answer that was cut the whole ones remain."""
    found, values = [], list(json_values(text))
    while values:
        match values.pop(0):
            case {"output": output, **others}:
                found.append(Instance(as_text(others.get("input")), as_text(output)))
            case dict() as fields:
                values[:0] = fields.values()
            case list() as items:
                values[:0] = items
    return found


def parse_instances(kind: Kind, text: str) -> list[Instance]:
    """The instances in a text of the base set's form, unfiltered and in order."""
    return _parse_output_first(text) if kind is Kind.OUTPUT_FIRST else _parse_input_first(text)


def _parse_input_first(text: str) -> list[Instance]:
    """`Example k` opens an instance; what precedes `Output:` is its input. Before the first one, only a whole
    instance counts: the rest is a preamble."""
    before, *examples = _EXAMPLE.split(text)
    opening = [_example(before)] if _OUTPUT.search(before) else []
    return opening + [_example(piece) for piece in examples if piece.strip()]


def _example(piece: str) -> Instance:
    parts = _OUTPUT.split(piece, maxsplit=1)
    if len(parts) == 1:
        return Instance("", piece.strip())
    given, output = parts
    return Instance(_without_label(given.strip()), _INPUT.split(output, maxsplit=1)[0].strip())


def _without_label(given: str) -> str:
    """Drop a leading `Input:`; other field names say what the input is and stay."""
    label = _INPUT.match(given)
    return given[label.end() :].strip() if label else given


def _parse_output_first(text: str) -> list[Instance]:
    """`Class label:` opens an instance; its first line is the output, the rest the input."""
    instances = []
    for piece in _CLASS_LABEL.split(text)[1:]:
        output, _, given = piece.strip().partition("\n")
        instances.append(Instance(_without_label(given.strip()), output.strip()))
    return instances


def filter_instances(
    instances: Sequence[Instance],
    cut: bool,
    settings: InstanceSettings,
    run_seed: int,
    instruction_id: str,
    contaminated: Callable[[str], object] | None = None,
) -> list[Verdict]:
    """Each instance with the reason why it is dropped, or None. `cut`: the completion was cut by length.

    Two instances that give one non-empty input different outputs cast doubt on all of the task's instances.

    Args:
        contaminated: Says of a text whether it overlaps with an evaluation set.
    """
    reasons = [_own_fault(instance) for instance in instances]
    if contaminated:
        for i, instance in enumerate(instances):
            if reasons[i] is None and (contaminated(instance.input) or contaminated(instance.output)):
                reasons[i] = Reason.CONTAMINATED
    if cut and reasons:
        reasons[-1] = Reason.CUT_BY_LENGTH
    valid = [i for i, reason in enumerate(reasons) if reason is None]
    if _conflicting([instances[i] for i in valid]):
        for i in valid:
            reasons[i] = Reason.CONFLICTING
        return list(zip(instances, reasons, strict=True))
    first_seen: dict[Instance, int] = {}
    for i in valid:
        if first_seen.setdefault(instances[i], i) != i:
            reasons[i] = Reason.DUPLICATE
    kept = Draws("instances", run_seed, instruction_id).sample(list(first_seen.values()), settings.most)
    for i in set(first_seen.values()) - set(kept):
        reasons[i] = Reason.SURPLUS
    return list(zip(instances, reasons, strict=True))


def _own_fault(instance: Instance) -> Reason | None:
    if not instance.output:
        return Reason.EMPTY_OUTPUT
    if instance.input == instance.output:
        return Reason.OUTPUT_IS_INPUT
    if instance.input.endswith(":") or instance.output.endswith(":"):
        return Reason.ENDS_WITH_COLON
    return None


def _conflicting(instances: Sequence[Instance]) -> bool:
    outputs = defaultdict(set)
    for instance in instances:
        if instance.input:
            outputs[instance.input].add(instance.output)
    return any(len(different) > 1 for different in outputs.values())


def instance_row(
    instruction: Candidate,
    is_classification: bool | None,
    position: int | None,
    instance: Instance,
    reason: Reason | None,
) -> InstanceRow:
    """The row of an instance, accepted unless there is a reason why not. Without one, `position` is None."""
    return InstanceRow(
        id=instruction.id if position is None else f"{instruction.id}/{position}",
        round=instruction.round,
        instruction_id=instruction.id,
        instruction=instruction.text,
        is_classification=is_classification,
        input=instance.input,
        output=instance.output,
        accepted=reason is None,
        reason=reason,
    )
