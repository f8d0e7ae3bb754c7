"""What a density is good for: functions of a model."""
