"""Decoding by lanes: the rows of one kind, which share a prefix; one forward pass takes a token further in all lanes.

A request joins as soon as there is room, and leaves as soon as it has ended. Its prompt goes through the model when it
joins, which gives its first token; from then on a step feeds each row its last token and draws the next one. In a
lane's store a row's own tokens begin with column 0, whatever its neighbours' lengths, so nothing is ever shifted. Rows
are kept without gaps: what leaves is overwritten with the store's last rows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from selfinstruct.engines import attention, graphs
from selfinstruct.engines.attention import Attending, PassThrough, Prefix, Rows, Segment, Store, Unsupported
from selfinstruct.engines.drafts import Draft
from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.graphs import Graphs, Unrecordable
from selfinstruct.engines.kernels import Kernels
from selfinstruct.engines.sampling import NOTHING, draw
from selfinstruct.prompts import Sampling
from selfinstruct.records import Kind

log = logging.getLogger(__name__)

SHARED_FROM = 64
"""Tokens from which on a prefix is shared; shorter ones are cheaper as a part of each row."""

AT_ONCE = 8192
"""Tokens of prompts that go through the model at once when rows join."""

SPARED = {"cpu": 20_000, "cuda": 1_000_000}
"""Scores over padding, of each head, that cost about as much as attention in one more part, by device."""


class Decoder(Protocol):
    """Takes rows on, and brings them a token further with each step."""

    def takes(self, kind: Kind) -> bool:
        """Whether rows of this kind may join now."""

    def columns(self, encoded: EncodedRequest) -> int:
        """The prompt's tokens that a row of its own has to hold."""

    def shared(self, kind: Kind) -> int:
        """The prompt's tokens that all rows of a kind share."""

    def cached(self, kind: Kind) -> int:
        """The prompt's tokens that are computed once for all rows of a kind."""

    def join(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Take rows on, all of one kind; returns those that have ended with this, which leave."""

    def step(self) -> list[Draft]:
        """A token for each row; returns those that have ended, which leave."""

    def clear(self) -> None:
        """Drop all rows and free their memory."""


class Lane:
    """The rows of one kind. Row i of each tensor and of the store belongs to the i-th draft."""

    def __init__(self, sampling: Sampling, prefix: Prefix | None, device: torch.device) -> None:
        self.sampling = sampling
        self.prefix = prefix
        self.store = Store()
        self.drafts: list[Draft] = []
        self._pending = torch.empty(0, dtype=torch.int64, device=device)  # the last token, not seen by the model yet
        self._lengths = self._pending  # own tokens that the model has seen
        self._seeds = self._pending
        self._generated = torch.empty(0, 0, dtype=torch.int64, device=device)

    @property
    def shared(self) -> int:
        """Tokens of the prefix."""
        return self.prefix.length if self.prefix else 0

    def own(self, draft: Draft) -> int:
        """Tokens of a row's own that the model has seen: all but the last one drawn."""
        return len(draft.encoded.ids) - self.shared + max(0, len(draft.tokens) - 1)

    def prompt(self, draft: Draft) -> Sequence[int]:
        """A row's prompt without the prefix."""
        return draft.encoded.ids[self.shared :]

    def begin(self, drafts: Sequence[Draft], logits: Tensor) -> None:
        """Rows whose prompts are in the store: their first tokens, from the logits after their prompts."""
        device = self._pending.device
        seeds = torch.tensor([draft.encoded.request.seed for draft in drafts], device=device)
        lengths = torch.tensor([self.own(draft) for draft in drafts], device=device)
        tokens = draw(logits, self._generated.new_empty(len(drafts), 0), seeds, self.sampling)
        self._pending = torch.cat([self._pending, tokens])
        self._lengths = torch.cat([self._lengths, lengths])
        self._seeds = torch.cat([self._seeds, seeds])
        drawn = functional.pad(tokens[:, None], (max(0, self._generated.shape[1] - 1), 0), value=NOTHING)
        wide = functional.pad(self._generated, (drawn.shape[1] - self._generated.shape[1], 0), value=NOTHING)
        self._generated = torch.cat([wide, drawn])
        self.drafts += drafts
        for draft, token in zip(drafts, tokens.tolist(), strict=True):
            draft.extend(token)

    def inputs(self) -> tuple[Tensor, Tensor, Segment]:
        """Tokens and positions for the next pass, (rows,) each, and what they see."""
        own = [self.own(draft) for draft in self.drafts]
        count = len(own)
        self.store.reserve(count, max(own) + 1)
        rows = torch.arange(count, device=self._pending.device)
        segment = Segment(self.store, self.prefix, rows, self._lengths, min(own), max(own))
        return self._pending, self._lengths + self.shared, segment

    def draw(self, logits: Tensor) -> Tensor:
        """The next token of each row, which will be the next input."""
        self._pending = draw(logits, self._generated, self._seeds, self.sampling)
        self._generated = torch.cat([self._generated, self._pending[:, None]], dim=-1)
        self._lengths = self._lengths + 1
        return self._pending

    def retire(self) -> list[Draft]:
        """Take out the rows that have ended."""
        ended = [draft for draft in self.drafts if draft.ended]
        if not ended:
            return []
        count = len(self.drafts) - len(ended)
        if failed := [row for row, draft in enumerate(self.drafts) if draft.failed]:
            self.store.blank(torch.tensor(failed, device=self._pending.device))
        gaps = [row for row in range(count) if self.drafts[row].ended]
        movers = [row for row in range(count, len(self.drafts)) if not self.drafts[row].ended]
        order = list(range(count))
        for gap, mover in zip(gaps, movers, strict=True):
            order[gap] = mover
        self.drafts = [self.drafts[row] for row in order]
        device = self._pending.device
        if gaps:
            filled = max(self.own(draft) for draft in self.drafts)
            self.store.move(torch.tensor(movers, device=device), torch.tensor(gaps, device=device), filled)
        chosen = torch.tensor(order, dtype=torch.int64, device=device)
        self._pending, self._lengths = self._pending[chosen], self._lengths[chosen]
        self._seeds, self._generated = self._seeds[chosen], self._generated[chosen]
        longest = max((len(draft.tokens) for draft in self.drafts), default=0)
        self._generated = self._generated[:, self._generated.shape[1] - longest :]
        if not self.drafts:
            self.store = Store()
        return ended


def parts(lengths: Sequence[int], spared: int) -> list[slice]:
    """Rows in parts, each of which attention pads to its longest row; a row costs the square of that.

    Args:
        lengths: Of the rows, ascending.
        spared: The least that a division has to save, in scores of a head.
    """
    found: list[slice] = []
    stop = len(lengths)
    for count in range(stop - 1, 0, -1):
        if count * (lengths[stop - 1] ** 2 - lengths[count - 1] ** 2) >= spared:
            found.insert(0, slice(count, stop))
            stop = count
    return [slice(0, stop), *found]


class SharedDecoder:
    """Lanes of a model whose attention goes through transformers' interface.

    Args:
        model: In evaluation mode; from now on its attention is ours.
        sampling: Of each kind.
        prefixes: The first tokens of all prompts of a kind.

    Raises:
        Unsupported: the model's attention is more than ours, or never asks for it.
    """

    def __init__(self, model: Any, sampling: Mapping[Kind, Sampling], prefixes: Mapping[Kind, Sequence[int]]) -> None:
        self._model = model
        self._sampling = sampling
        self._prefixes = {kind: ids if len(ids) >= SHARED_FROM else () for kind, ids in prefixes.items()}
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._cache = PassThrough()
        self._kernels: dict[tuple[int, int], Kernels] = {}
        self._graphs: Graphs | None = None
        self._lanes: dict[Kind, Lane] = {}
        self._kept: dict[Kind, Prefix] = {}
        check_layers(model)
        with torch.inference_mode():
            self._check()

    def takes(self, kind: Kind) -> bool:
        """Rows of all kinds go together."""
        return True

    def columns(self, encoded: EncodedRequest) -> int:
        """All but the shared prefix."""
        return len(encoded.ids) - self.shared(encoded.request.kind)

    def shared(self, kind: Kind) -> int:
        """The prefix, if it is long enough to be shared."""
        return len(self._prefixes[kind])

    def cached(self, kind: Kind) -> int:
        """What is shared."""
        return self.shared(kind)

    @torch.inference_mode()
    def join(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Put prompts through the model, those of like length together, as many at once as `AT_ONCE` allows.

        Raises:
            torch.OutOfMemoryError: some may have joined; `clear` all.
        """
        lane = self._lane(drafts[0].encoded.request.kind)
        waiting = sorted(drafts, key=lane.own)
        while waiting:
            count = sum(tokens <= AT_ONCE for tokens in accumulate(map(lane.own, waiting))) or 1
            self._prefill(lane, waiting[:count])
            del waiting[:count]
        return lane.retire()

    @torch.inference_mode()
    def step(self) -> list[Draft]:
        """A token for each row of all lanes.

        Raises:
            torch.OutOfMemoryError: `clear` all rows.
        """
        lanes = [lane for lane in self._lanes.values() if lane.drafts]
        if not lanes:
            return []
        inputs, positions, segments = zip(*(lane.inputs() for lane in lanes), strict=True)
        ids = torch.cat(inputs)
        logits = self._decode(ids, torch.cat(positions), list(segments))
        of_lanes = torch.split(logits, [len(segment.at) for segment in segments])
        tokens = torch.cat([lane.draw(each) for lane, each in zip(lanes, of_lanes, strict=True)]).tolist()
        drafts = (draft for lane in lanes for draft in lane.drafts)
        for draft, token in zip(drafts, tokens, strict=True):
            draft.extend(token)
        return [draft for lane in lanes for draft in lane.retire()]

    def clear(self) -> None:
        """Drop all rows; prefixes stay."""
        self._lanes.clear()

    def _lane(self, kind: Kind) -> Lane:
        if kind not in self._lanes:
            self._lanes[kind] = Lane(self._sampling[kind], self._prefix(kind), self._model.device)
        return self._lanes[kind]

    def _prefix(self, kind: Kind) -> Prefix | None:
        ids = self._prefixes[kind]
        if ids and kind not in self._kept:
            self._kept[kind] = self._computed(ids)
        return self._kept.get(kind)

    def _computed(self, ids: Sequence[int]) -> Prefix:
        """A prefix's keys and values: those of a row that has nothing before it."""
        store = Store()
        store.reserve(1, len(ids))
        self._feed([ids], store, None, 0)
        return Prefix(len(ids), store)

    def _prefill(self, lane: Lane, drafts: Sequence[Draft]) -> None:
        lane.store.reserve(len(lane.drafts) + len(drafts), max(map(lane.own, drafts)) + 1)
        logits, _ = self._feed([lane.prompt(draft) for draft in drafts], lane.store, lane.prefix, len(lane.drafts))
        lane.begin(drafts, logits)

    def _feed(
        self, prompts: Sequence[Sequence[int]], store: Store, prefix: Prefix | None, first_row: int
    ) -> tuple[Tensor, Rows]:
        """New rows' first tokens through the model; gives the logits after the last of each row."""
        device, lengths = self._model.device, list(map(len, prompts))
        segments = []
        for part in parts(lengths, SPARED.get(device.type, SPARED["cuda"])):
            longest = max(lengths[part])
            at = [column for length in lengths[part] for column in range(length)]
            padded = [row * longest + column for row, length in enumerate(lengths[part]) for column in range(length)]
            rows = torch.arange(first_row + part.start, first_row + part.stop, device=device)
            columns, places = torch.tensor([at, padded], device=device)
            segments.append(Segment(store, prefix, rows, columns, 0, longest - 1, places))
        ids = torch.tensor([token for prompt in prompts for token in prompt], device=device)
        positions = torch.cat([segment.at for segment in segments]) + (prefix.length if prefix else 0)
        last = torch.tensor(lengths, device=device).cumsum(0) - 1
        together = Rows(segments, self._kernels)
        return self._forward(ids, positions, together, last), together

    def _decode(self, ids: Tensor, positions: Tensor, segments: list[Segment]) -> Tensor:
        """One token of each row, (rows,), through the model; gives the logits after them."""
        rows = Rows(segments, self._kernels)
        if self._graphs is not None and len(ids) <= graphs.MOST:
            try:
                return self._graphs.logits(ids, positions, rows)
            except Unrecordable as reason:
                log.info("the GPU's kernels are launched one by one, which is slower: %s", reason)
                self._graphs = None
        return self._forward(ids, positions, rows, torch.arange(len(ids), device=ids.device))

    def _forward(self, ids: Tensor, positions: Tensor, rows: Attending, wanted: Tensor) -> Tensor:
        """Tokens, (tokens,), through the model; gives the logits after those that are wanted, by their places."""
        inputs: dict[str, Any] = {attention.ROWS: rows}
        if self._keeps:
            inputs["logits_to_keep"] = wanted
        output = self._model(
            input_ids=ids[None], position_ids=positions[None], past_key_values=self._cache, use_cache=True, **inputs
        )
        logits: Tensor = output.logits[0]
        return logits if self._keeps else logits[wanted]

    def _check(self) -> None:
        """Try our attention on a prompt in two rows of unequal length against the model's own.

        Some models compute attention in a way of their own, or add to it; which of them do is best found by trying.
        """
        before = self._model.config._attn_implementation
        try:
            ids = torch.arange(5, 29, device=self._model.device) % self._model.config.get_text_config().vocab_size
            wanted = self._model(input_ids=ids[None]).logits[0, [23, 18]].float()
            self._model.set_attn_implementation(attention.NAME)
            prompt: list[int] = ids.tolist()
            prefix, store = self._computed(prompt[:12]), Store()
            store.reserve(2, 12)
            _, rows = self._feed([prompt[12:23], prompt[12:18]], store, prefix, 0)
            self._check_windows(rows)
            last, own = ids[[23, 18]], torch.tensor([11, 6], device=ids.device)
            segment = Segment(store, prefix, torch.arange(2, device=ids.device), own, 6, 11)
            if not _alike(self._decode(last, own + 12, [segment]), wanted):
                raise Unsupported("its logits would be others")
            if ids.device.type == "cuda":
                self._graphs = Graphs(self._forward, ids.device)
                if not _alike(self._decode(last, own + 12, [segment]), wanted):
                    log.info("the GPU's kernels are launched one by one, which is slower: recorded, logits are others")
                    self._graphs = None
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a stranger's model does with a cache and keywords it does not expect
            self._model.set_attn_implementation(before)
            raise error if isinstance(error, Unsupported) else Unsupported(str(error)) from error

    def _check_windows(self, rows: Rows) -> None:
        config = self._model.config.get_text_config(decoder=True)
        kinds = getattr(config, "layer_types", None)
        window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
        if len(rows.windows) != config.num_hidden_layers:
            raise Unsupported("its layers do not ask for it")
        sliding = sum(kind == "sliding_attention" for kind in kinds) if kinds else len(rows.windows) * bool(window)
        if sum(map(bool, rows.windows)) != sliding:
            raise Unsupported("its sliding windows are not told")


def _alike(found: Tensor, wanted: Tensor) -> bool:
    """Whether logits are the same but for rounding."""
    bound = 1e-3 if found.dtype == torch.float32 else 0.1
    return bool((found.float() - wanted).norm() <= bound * wanted.norm())


def check_layers(model: Any) -> None:
    """Raises Unsupported if there are layers other than full and sliding attention."""
    kinds = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ()
    if others := set(kinds) - {"full_attention", "sliding_attention"}:
        raise Unsupported(f"it has layers of {', '.join(sorted(others))}")
