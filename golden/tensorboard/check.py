"""Reads a run's TensorBoard file with TensorBoard itself and compares every value with metrics.jsonl.

    pip install tensorboard && python golden/tensorboard/check.py RUN
"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = sys.argv[1]
events = EventAccumulator(f"{run}/tensorboard", size_guidance={"scalars": 0})
events.Reload()
with open(f"{run}/metrics.jsonl") as file:
    steps = {line["step"]: line for line in map(json.loads, file)}
seen = 0
for tag in events.Tags()["scalars"]:
    for event in events.Scalars(tag):
        want = steps[event.step][tag]
        assert abs(event.value - want) <= 1e-6 * max(1, abs(want)), (tag, event, want)
        seen += 1
want = sum(len(line) - 1 for line in steps.values())
assert seen == want, f"{seen} values, {want} in metrics.jsonl"
print(f"{seen} values of {len(steps)} steps agree")
