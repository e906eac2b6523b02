"""What the next run of a task would do, told before it does it."""
