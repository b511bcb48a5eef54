"""Medians and ratios of the lines that surefoot and its peer have printed; compare.sh calls it with a row's name."""
import json
import sys

UNITS = {
    "wall_s": ("wall", "s"), "cpu_s": ("CPU", "s"), "peak_mb": ("peak memory", "MB"), "tokens_per_s": ("tokens", "/s"),
    "decode_tokens_per_s": ("decoded tokens", "/s"), "decode_cpu_ms_per_token": ("CPU a decoded token", "ms"), "rollout_cpu_s": ("CPU of the rollout", "s"),
}


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def spread(values):
    return f"{median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


lines = [json.loads(line) for line in sys.stdin]
ours = [line for line in lines if line["program"] == "surefoot"]
peer = [line for line in lines if line["program"] != "surefoot"]
if not ours or not peer:
    sys.exit("one of the programs printed no result; run its command alone to see why")
print(f"{sys.argv[1]}: surefoot against {peer[0]['program']}, {len(ours)} and {len(peer)} runs, median (least to greatest)")
for key, (name, unit) in UNITS.items():
    a, b = [line[key] for line in ours if key in line], [line[key] for line in peer if key in line]
    if a and b:
        print(f"  {name:20} {spread(a):32} {spread(b):32} {unit:3} ratio {median(a) / median(b):.3f}")
