"""Ray Data: one actor holds the index and says of each row whether its instruction is new."""

import numpy as np
import ray
from ray.data.expressions import col

import selfinstruct as si


class Novelty:
    def __init__(self):
        self.index = si.NoveltyIndex(threshold=0.7)

    def __call__(self, batch):
        verdicts = self.index.admit(batch["instruction"])
        return batch | {"is_new": np.array([verdict.accepted for verdict in verdicts])}


if __name__ == "__main__":
    ray.data.DataContext.get_current().execution_options.preserve_order = True  # of similar rows the first stays
    rows = ray.data.read_parquet("runs/demo/instances")
    rows = rows.filter(expr=col("accepted") & (col("origin") == "model"))  # what the model wrote and the run took
    rows = rows.map_batches(Novelty, compute=ray.data.ActorPoolStrategy(size=1))
    rows.filter(expr=col("is_new")).write_parquet("novel")
