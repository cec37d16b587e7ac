"""A distilabel pipeline that makes instructions and answers to them, for `bench peers`.

Run by a Python that has distilabel and openai, and not this project: `PYTHON distilabel_pipeline.py URL ROWS BATCH`.
`SelfInstruct` asks for eight instructions at a time, each of which is a row of its own that `TextGeneration` answers.
A step has BATCH requests under way, both steps at the same time. Prints when it had the first whole row, and how many
in the end, as JSON. Hints are no texts here, for distilabel looks at them.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import ExpandColumns, LoadDataFromDicts, StepInput, step
from distilabel.steps.tasks import SelfInstruct, TextGeneration

LISTED = 8


@step(inputs=["generation"], outputs=["time"])  # type: ignore[untyped-decorator]
def timed(*inputs: StepInput) -> Iterator[list[dict[str, Any]]]:
    """Says of each row when it came."""
    for rows in inputs:
        yield [{**row, "time": time.time()} for row in rows]


def model(url: str) -> OpenAILLM:
    """The server's model, without waits of its own."""
    return OpenAILLM(model="m", base_url=url, api_key="none")


def main(url: str, rows: int, batch: int) -> None:
    """Make so many rows."""
    with Pipeline(name="peers") as pipeline:
        load = LoadDataFromDicts(data=[{"input": f"topic {n}"} for n in range(rows // LISTED)], batch_size=batch)
        propose = SelfInstruct(llm=model(url), num_instructions=LISTED, input_batch_size=batch)
        expand = ExpandColumns(columns={"instructions": "instruction"}, input_batch_size=batch)
        answer = TextGeneration(llm=model(url), input_batch_size=batch)
        load >> propose >> expand >> answer >> timed(name="timed")
    made = pipeline.run(use_cache=False)["default"]["train"]
    print(json.dumps({"first": min(made["time"]), "rows": len(made)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
