"""Models applied to many pictures: batches for engines, and parts for processes that share out a source."""
