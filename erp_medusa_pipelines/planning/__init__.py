"""What the next run of a task would do."""
