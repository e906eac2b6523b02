"""Schedules: which cron line is in force, when a tick starts runs, and when it skips."""
