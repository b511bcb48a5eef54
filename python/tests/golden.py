"""The batches of golden/objectives, which a script computed from the papers by another route."""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "objectives"
COLUMNS = ("logp", "logp_old", "advantages", "logp_ref", "logp_epoch", "token_weights")

WITH_DRIFT = ("cpgd", "pgd")


def batches(dtype=np.float32):
    """Each batch as (objective's key, its options, arguments of `evaluate`, loss, gradient)."""
    for case in json.loads((FOLDER / "batches.json").read_text()):
        options = {**case["options"], "aggregation": case["aggregation"], "aggregation_length": case["length"]}
        if case["objective"] in WITH_DRIFT and "drift_coefficient" in case["regularizer"]:
            continue  # two drifts, which no caller can ask for: `Objective` refuses them
        options.update(case["regularizer"])
        arguments = {name: np.array(case[name], dtype=dtype) for name in COLUMNS}
        arguments["mask"] = np.array(case["mask"])
        arguments["offsets"] = np.concatenate([[0], np.cumsum(case["lengths"])])
        arguments["groups"] = np.array(case["groups"])
        yield case["objective"], options, arguments, case["loss"], np.array(case["grad_logp"])


def advantages():
    """Each case of the estimators."""
    return json.loads((FOLDER / "advantages.json").read_text())


def padded(arguments):
    """The packed columns as matrices `[N, T]` with NaN beyond each sequence's end, which the mask leaves out."""
    offsets = arguments["offsets"]
    lengths = np.diff(offsets)
    inside = np.arange(lengths.max()) < lengths[:, None]
    matrices = {}
    for name, column in arguments.items():
        if name in ("offsets", "groups") or len(column) != offsets[-1]:
            matrices[name] = column
        else:
            matrices[name] = np.full(inside.shape, False if name == "mask" else np.nan, dtype=column.dtype)
            matrices[name][inside] = column
    del matrices["offsets"]
    return matrices, inside
