"""distilabel: a step that says of each row whether its instruction is new. One replica of it holds the index."""

from distilabel.steps import Step, StepInput

import selfinstruct as si


class Novelty(Step):
    threshold: float = 0.7

    @property
    def inputs(self):
        return ["instruction"]

    @property
    def outputs(self):
        return ["is_new", "nearest"]

    def load(self):
        super().load()
        self._index = si.NoveltyIndex(self.threshold)

    def process(self, inputs: StepInput):
        verdicts = self._index.admit(row["instruction"] for row in inputs)
        for row, verdict in zip(inputs, verdicts, strict=True):
            row.update(is_new=verdict.accepted, nearest=verdict.nearest)
        yield inputs
