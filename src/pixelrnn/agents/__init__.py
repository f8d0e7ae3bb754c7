"""What a density is good for in reinforcement learning: exploration and planning."""
