"""The names of the files in a run or model folder; what each holds is in docs/architecture.md."""

__all__ = ["CONFIG", "METRICS", "MODEL", "STATE"]

CONFIG = "config.json"
MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
STATE = "state.safetensors"
