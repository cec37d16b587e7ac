"""What becomes of what the model wrote: the rows of candidates and of instances, each with its verdict.

Pure functions of a file's rows and of `Criteria`. `rounds.Run` says when they are called; a scheduler may do so in
another thread, since nothing that they read is changed while they run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from selfinstruct.novelty.check import admit, is_new
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import (
    Candidate,
    Finish,
    Instance,
    InstanceRow,
    Kind,
    Label,
    Neighbour,
    Origin,
    Proposal,
    Reason,
)
from selfinstruct.run.settings import StepSettings
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps.constraints import Asked, ConstraintSettings, asked
from selfinstruct.steps.copying import Copies
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances, instance_row
from selfinstruct.steps.readers import Reader
from selfinstruct.steps.readers.answers import answer_of, input_of
from selfinstruct.steps.readers.read import Proposed
from selfinstruct.steps.readers.single import SINGLE
from selfinstruct.steps.rules import Rules
from selfinstruct.steps.screen import Screen

if TYPE_CHECKING:
    from selfinstruct.run.ways import TextOf
    from selfinstruct.semantic.admission import Admission
    from selfinstruct.semantic.index import Meanings

_CUT = {Finish.LENGTH: Reason.CUT_BY_LENGTH, Finish.REPETITION: Reason.REPETITION}
"""Completions that did not end by themselves, and what is said of what they have not whole."""

_LOST = {Finish.FAILED: Reason.FAILED, **_CUT}
"""Why a request gave nothing, where its completion's end tells."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a run's texts are judged by. Nothing in here changes while the run lasts."""

    seed: int
    novelty: NoveltySettings
    semantic: SemanticSettings
    instances: InstanceSettings
    screen: Screen
    rules: Rules
    evaluation: Contamination | None
    constraints: ConstraintSettings
    similar: float  # of a rewritten instruction and its parent, above which it is dropped
    copied: float  # share of an answer that its document has, too, above which it is dropped

    @classmethod
    def of(cls, settings: StepSettings, told: Sequence[str], evaluation: Contamination | None = None) -> Criteria:
        """What these options say, of answers to prompts that told this (`PromptSet.texts`)."""
        screen = Screen(settings.screen, any_script=settings.novelty.any_script)
        rules = Rules(settings.rules, settings.novelty.tokeniser, told)
        return cls(
            seed=settings.seed,
            novelty=settings.novelty,
            semantic=settings.semantic,
            instances=settings.instances,
            screen=screen,
            rules=rules,
            evaluation=evaluation,
            constraints=settings.constraints,
            similar=settings.evolve.similar,
            copied=settings.documents.copied,
        )

    def of_instruction(self, text: str, shown: Sequence[str] = ()) -> Reason | None:
        """Why an instruction is dropped for what it is. `shown`: as of `Rules.of_instruction`."""
        return self.screen(" ".join(text.split())) or self.rules.of_instruction(text, shown)

    def of_instance(self, told: Asked, instance: Instance, copies: Copies | None = None) -> Reason | None:
        """Why an instance is dropped by the user's own filters, a rule, the instruction's constraint, or for what it
        copies.

        A constraint's words must not excuse an echo of the instruction: the rules look at it with them and without.

        Args:
            copies: What is taken over from the text that the output was written from.
        """
        text = told.text
        reason = self.screen.of_instance(text, instance) or self.rules.of_instance(text, instance)
        if reason is None and told.constraints:
            reason = self.rules.of_instance(told.plain, instance)
        if reason is None and not told.kept_by(instance.output):
            return Reason.BREAKS_CONSTRAINT
        return reason or (Reason.COPIED if copies and copies.above(self.copied, instance.output) else None)

    def of_given(self, text: str) -> Reason | None:
        """Why an imported instruction is dropped, whatever the pool holds."""
        reason = self.screen(text) or self.rules.of_instruction(text)
        if reason is None and self.evaluation and self.evaluation.of_instruction(text):
            return Reason.CONTAMINATED
        return reason


def screened(
    proposals: Sequence[Proposal],
    reader: Reader,
    criteria: Criteria,
    texts_of: Callable[[Collection[str]], Mapping[str, str]],
) -> list[Candidate]:
    """Every proposed instruction with the reason why it is dropped before the novelty check, or None.

    A request that gave none is a candidate without position and text.

    Args:
        texts_of: The texts of demonstrations by their ids (`Pool.texts_of`).
    """
    ids = {id for proposal in proposals for id in proposal.demonstrations if proposal.strategy != Kind.EVOLVE}
    shown = criteria.rules.demonstrations(texts_of, ids)
    parents = _parents(proposals)
    told = texts_of(set(parents.values())) if parents else {}
    found = []
    for proposal in proposals:
        parent = told.get(parents.get(proposal.request_id, ""))
        found += list(_candidates(proposal, reader, criteria, shown, parent))
    return found


def _parents(proposals: Sequence[Proposal]) -> dict[str, str]:
    """The ids of the instructions that requests asked to be rewritten, by the ids of the requests."""
    return {each.request_id: each.demonstrations[0] for each in proposals if each.strategy == Kind.EVOLVE}


def left_out(
    candidates: Sequence[Candidate],
    proposals: Sequence[Proposal],
    ordinals_of: Callable[[Collection[str]], Mapping[str, int]],
) -> Sequence[int | None]:
    """For each of the `survivors` the ordinal that the novelty check leaves out, its parent; nothing if none has one.

    An instruction that was made longer is near to its parent however new it is (`_near_parent` says what is too near).

    Args:
        ordinals_of: The ordinals of the pool by their ids (`Pool.ordinals_by_id`).
    """
    parents = _parents(proposals)
    if not parents:
        return ()
    ordinals = ordinals_of(set(parents.values()))
    return [
        ordinals.get(parents.get(candidate.request_id or "", ""))
        for candidate in candidates
        if candidate.reason is None
    ]


def _candidates(
    proposal: Proposal, reader: Reader, criteria: Criteria, demonstrations: Mapping[str, str], parent: str | None
) -> Iterator[Candidate]:
    lost = _LOST.get(proposal.finish)
    cut = proposal.finish in _CUT
    opened = len(proposal.demonstrations) + 1
    if lost is Reason.FAILED:
        found: list[Proposed] = []
    elif (single := SINGLE.get(proposal.strategy)) is not None:
        found = single(proposal.text, cut)
    else:
        found = reader.proposals(proposal.text, opened, cut)
    if not found:
        yield _candidate(proposal, None, "", lost or reader.silence(proposal.text, cut))
    shown = [demonstrations[id] for id in proposal.demonstrations if id in demonstrations]
    for position, (text, reason) in enumerate(found):
        reason = _told(reason, proposal.finish) or criteria.of_instruction(text, shown)
        candidate = _candidate(proposal, position, text, reason)
        if reason is None and parent is not None and (score := _near_parent(text, parent, criteria)) is not None:
            nearest = proposal.demonstrations[0]
            candidate = replace(candidate, reason=Reason.SIMILAR, nearest_id=nearest, rouge_l=score)
        if candidate.reason is None and criteria.evaluation and (hit := criteria.evaluation.of_instruction(text)):
            candidate = replace(
                candidate, reason=Reason.CONTAMINATED, nearest_id=f"evaluation/{hit.id}", rouge_l=hit.rouge_l
            )
        yield candidate


def _near_parent(text: str, parent: str, criteria: Criteria) -> float | None:
    """How near a rewritten instruction is to the one that it was made of, if that is too near."""
    words, theirs = (tokenise(each, criteria.novelty.tokeniser) for each in (text, parent))
    score = rouge_l(words, theirs) if words and theirs else float(text == parent)
    return score if score > criteria.similar else None


def _candidate(proposal: Proposal, position: int | None, text: str, reason: Reason | None) -> Candidate:
    return Candidate(
        id=proposal.request_id if position is None else f"{proposal.request_id}/{position:02d}",
        round=proposal.round,
        request_id=proposal.request_id,
        position=position,
        origin=Origin.MODEL,
        text=text,
        accepted=False,
        reason=reason,
        nearest_id=None,
        rouge_l=None,
    )


def survivors(candidates: Sequence[Candidate]) -> list[str]:
    """The instructions that the novelty check is asked about, in order."""
    return [candidate.text for candidate in candidates if candidate.reason is None]


def admitted(
    candidates: Sequence[Candidate],
    neighbours: Sequence[Neighbour | None],
    size: int,
    id_of: Callable[[int], str],
    criteria: Criteria,
    meanings: Meanings | None = None,
) -> Iterator[Candidate]:
    """A round's candidates with their verdicts, in canonical order (request, position).

    Args:
        candidates: As `screened` gave them.
        neighbours: The nearest of each of the `survivors` in the committed pool.
        size: Size of that pool.
        id_of: The public id of each of its ordinals.
        meanings: What each of the `survivors` is about, if the run measures that.
    """
    admission = _admission(size, meanings, criteria)
    passes = admission.passes if admission else None
    verdicts = enumerate(admit(criteria.novelty, size, survivors(candidates), neighbours, passes))
    new_ids: list[str] = []  # from the ordinal `size` on

    def name_of(ordinal: int) -> str:
        return new_ids[ordinal - size] if ordinal >= size else id_of(ordinal)

    for candidate in candidates:
        if candidate.reason is None:
            at, (new, nearest) = next(verdicts)
            reason = None if new else Reason.PARAPHRASE if is_new(criteria.novelty, nearest) else Reason.SIMILAR
            cell, other, cosine = _about(at, admission)
            near, score = (nearest.ordinal, nearest.rouge_l) if nearest else (None, None)
            if reason is Reason.PARAPHRASE:
                near, score = other, None
            candidate = replace(
                candidate,
                accepted=new,
                reason=reason,
                nearest_id=None if near is None else name_of(near),
                rouge_l=score,
                cell=cell,
                nearest_cosine=cosine,
            )
            if new:
                new_ids.append(candidate.id)
        yield candidate


def _admission(size: int, meanings: Meanings | None, criteria: Criteria) -> Admission | None:
    """What a round's texts are about, one after the other; None where nobody measures."""
    if meanings is None:
        return None
    from selfinstruct.semantic.admission import Admission  # late: only those who measure need it

    return Admission(size, meanings, criteria.semantic.cosine if criteria.semantic.gate else None)


def _about(at: int, admission: Admission | None) -> tuple[int | None, int | None, float | None]:
    """The cell of the text at a place of the round, the ordinal of the nearest before it and the cosine with that, as
    far as they are measured and there is one."""
    if admission is None:
        return None, None, None
    ordinal, cosine = admission.nearest(at)
    return admission.cell(at), *((ordinal, cosine) if ordinal >= 0 else (None, None))


def labelled(
    instructions: Sequence[Candidate],
    labels: Sequence[Label],
    reader: Reader,
    criteria: Criteria,
    chosen: Collection[str] | None = None,
    text_of: TextOf | None = None,
) -> Iterator[InstanceRow]:
    """Every instance of a round with its verdict, and one row for each instruction that gave none.

    Args:
        chosen: Ids of the instructions that are labelled (default: all).
        text_of: The text that an instruction was answered from.
    """
    answers = {(label.instruction_id, label.kind is Kind.CLASSIFY): label for label in labels}
    inputs = {label.instruction_id: label for label in labels if label.kind is Kind.INPUT}
    samples = defaultdict(list)
    for label in labels:
        if label.kind in (Kind.ANSWER, Kind.DOCUMENT_ANSWER):
            samples[label.instruction_id].append(label)
    for instruction in instructions:
        if chosen is not None and instruction.id not in chosen:
            yield instance_row(instruction, None, None, Instance("", ""), Reason.NOT_SELECTED)
            continue
        if instruction.id in inputs:
            yield from _answered(instruction, inputs[instruction.id], samples[instruction.id], criteria)
            continue
        if instruction.id in samples:
            text = text_of(instruction) if text_of else None
            yield from _answers(instruction, "", samples[instruction.id], criteria, text)
            continue
        question = answers.get((instruction.id, True))  # None where one request asks for all
        yield from _instances(instruction, question, answers.get((instruction.id, False)), reader, criteria)


def _instances(
    instruction: Candidate, question: Label | None, answer: Label | None, reader: Reader, criteria: Criteria
) -> Iterator[InstanceRow]:
    failed = any(each is not None and each.finish is Finish.FAILED for each in (question, answer))
    is_classification = None
    if question is not None and not (failed and answer is None):
        is_classification = reader.classification(question.text)
    told = asked(criteria.constraints, criteria.seed, instruction, answer.kind) if answer else None
    if answer is None or told is None or failed:
        lost = Reason.FAILED if failed else Reason.NOT_ASKED
        yield instance_row(instruction, is_classification, None, Instance("", ""), lost, told)
        return
    cut = answer.finish in _CUT
    instances = reader.instances(answer.kind, answer.text, cut)
    if question is None and instances:  # an answer that cannot be read tells nothing
        is_classification = reader.told(answer.text)
    overlaps = criteria.evaluation.overlap if criteria.evaluation else None
    judge = partial(criteria.of_instance, told)
    verdicts = filter_instances(instances, criteria.instances, criteria.seed, instruction.id, overlaps, judge)
    if not verdicts:
        silence = _told(reader.silence(answer.text, cut), answer.finish)
        yield instance_row(instruction, is_classification, None, Instance("", ""), silence, told)
    for position, (instance, reason) in enumerate(verdicts):
        yield instance_row(instruction, is_classification, position, instance, _told(reason, answer.finish), told)


def _answered(
    instruction: Candidate, given: Label, samples: Sequence[Label], criteria: Criteria
) -> Iterator[InstanceRow]:
    """A row for each answer to an instruction; one, without an output, where its input cannot be read."""
    text = input_of(given)
    if text is None or not samples:
        lost = _LOST.get(given.finish, Reason.NOTHING_PARSED) if text is None else Reason.NOT_ASKED
        yield instance_row(instruction, None, None, Instance("", ""), lost)
        return
    yield from _answers(instruction, text, samples, criteria)


def _answers(
    instruction: Candidate, given: str, samples: Sequence[Label], criteria: Criteria, text: str | None = None
) -> Iterator[InstanceRow]:
    """A row for each answer to an instruction with its input.

    Args:
        text: That the answers were written from.
    """
    read = [answer_of(sample) for sample in samples]
    found = [(Instance(given, each.output), each.reason) for each in read]
    overlaps = criteria.evaluation.overlap if criteria.evaluation else None
    told = asked(criteria.constraints, criteria.seed, instruction, samples[0].kind)
    copies = None if text is None else Copies(text, criteria.novelty.tokeniser)
    judge = partial(criteria.of_instance, told, copies=copies)
    verdicts = filter_instances(found, criteria.instances, criteria.seed, instruction.id, overlaps, judge, samples=True)
    for position, ((instance, reason), each) in enumerate(zip(verdicts, read, strict=True)):
        row = instance_row(instruction, None, position, instance, reason, told, each.thought)
        yield replace(row, copied=copies.share(instance.output)) if copies else row


def _told(reason: Reason | None, finish: Finish) -> Reason | None:
    """Why something is dropped, where its reader knows only that it is not whole."""
    return _CUT.get(finish, reason) if reason is Reason.CUT_BY_LENGTH else reason
