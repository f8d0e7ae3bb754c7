"""The names of the files in a run or model folder, and of the folder of all runs; see docs/architecture.md."""

__all__ = ["CONFIG", "METRICS", "MODEL", "RUNS", "STATE"]

CONFIG = "config.json"
MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
STATE = "state.safetensors"
RUNS = "runs"
