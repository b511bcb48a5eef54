"""Makes the parquet files of the data tests in the shapes of the published data sets (pip install pyarrow).

    python make_parquet.py

dapo.parquet   DAPO-Math-17k: prompt is a list of messages, the gold answer is in reward_model.ground_truth; every row twice
gsm8k.parquet  GSM8K: question, answer with "#### 72"; zstd, several row groups, dictionary encoding
"""
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

here = Path(__file__).parent
rows = [
    {
        "data_source": "math_dapo",
        "prompt": [{"content": f"What is {n} + {n}?", "role": "user"}],
        "ability": "MATH",
        "reward_model": {"ground_truth": str(2 * n), "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": f"index-{n}"},
    }
    for n in [1, 2, 3]
    for _ in range(2)
]
pq.write_table(pa.Table.from_pylist(rows), here / "dapo.parquet", compression="snappy")
rows = [{"question": f"What is {n} times 3?", "answer": f"It is {n}*3 = <<{n}*3={3 * n}>>{3 * n}.\n#### {3 * n}"} for n in range(40)]
pq.write_table(pa.Table.from_pylist(rows), here / "gsm8k.parquet", compression="zstd", row_group_size=16)
