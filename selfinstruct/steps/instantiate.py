"""Generating and filtering instances (paper, sections 2.2.3 and 2.2.4; the released code's dialects).

Classification tasks are asked output-first, so that their labels are balanced; all others input-first. A prompt set
for chat models may ask for both in one request (`Kind.INSTANTIATE`): then the answer says of which kind the task is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfinstruct.draws import Draws
from selfinstruct.records import Candidate, Instance, InstanceRow, Kind, Reason
from selfinstruct.settings import option
from selfinstruct.steps.constraints import Asked
from selfinstruct.steps.readers.read import Verdict


@dataclass(frozen=True)
class InstanceSettings:
    """Limits on the instances of one instruction.

    Args:
        most: Instances kept per instruction, chosen at random among the valid ones.
    """

    most: int = option(5, least=1)


def kind_for(is_classification: bool | None) -> Kind:
    """The kind of the request for instances; where nobody was asked, one that asks for the kind of task, too."""
    if is_classification is None:
        return Kind.INSTANTIATE
    return Kind.OUTPUT_FIRST if is_classification else Kind.INPUT_FIRST


def filter_instances(
    found: Sequence[Verdict],
    settings: InstanceSettings,
    run_seed: int,
    instruction_id: str,
    contaminated: Callable[[str], object] | None = None,
    judge: Callable[[Instance], Reason | None] | None = None,
    samples: bool = False,
) -> list[Verdict]:
    """Each instance with the reason why it is dropped, or None.

    Two instances that give one non-empty input different outputs cast doubt on all of the task's instances.

    Args:
        found: What a reader found, with its reasons.
        contaminated: Says of a text whether it overlaps with an evaluation set.
        judge: Says why the user's own filters or the rules drop an instance, or None.
        samples: They are answers to one and the same input, so that several of them are wanted, and differ.
    """
    instances = [instance for instance, _ in found]
    reasons = [reason or _own_fault(instance) or (judge and judge(instance)) for instance, reason in found]
    if contaminated:
        for i, instance in enumerate(instances):
            if reasons[i] is None and (contaminated(instance.input) or contaminated(instance.output)):
                reasons[i] = Reason.CONTAMINATED
    valid = [i for i, reason in enumerate(reasons) if reason is None]
    if not samples and _conflicting([instances[i] for i in valid]):
        for i in valid:
            reasons[i] = Reason.CONFLICTING
        return list(zip(instances, reasons, strict=True))
    first_seen: dict[Instance, int] = {}
    for i in valid:
        if first_seen.setdefault(instances[i], i) != i:
            reasons[i] = Reason.DUPLICATE
    if samples:
        return list(zip(instances, reasons, strict=True))
    if len(first_seen) > settings.most:
        kept = Draws("instances", run_seed, instruction_id).sample(list(first_seen.values()), settings.most)
        for i in set(first_seen.values()) - set(kept):
            reasons[i] = Reason.SURPLUS
    return list(zip(instances, reasons, strict=True))


def _own_fault(instance: Instance) -> Reason | None:
    given, output = instance.input.strip(), instance.output.strip()
    if not output:
        return Reason.EMPTY_OUTPUT
    if given == output:
        return Reason.OUTPUT_IS_INPUT
    if given.endswith((":", "：")) or output.endswith((":", "：")):
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
    told: Asked | None = None,
    thought: str | None = None,
) -> InstanceRow:
    """The row of an instance, accepted unless there is a reason why not. Without one, `position` is None.

    Args:
        told: As what a model was asked it, where one was.
    """
    return InstanceRow(
        id=instruction.id if position is None else f"{instruction.id}/{position}",
        round=instruction.round,
        instruction_id=instruction.id,
        instruction=told.text if told else instruction.text,
        is_classification=is_classification,
        input=instance.input,
        output=instance.output,
        accepted=reason is None,
        reason=reason,
        origin=instruction.origin,
        thought=thought,
        constraint=told.column if told else None,
    )
