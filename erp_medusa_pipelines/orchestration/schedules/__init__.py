"""Schedules: which cron line is in force, when a tick starts runs, and when it skips.

Belongs here: everything a schedule function asks before it starts a run. Does not belong here: what happens to a run
after that (runs/), and sensors.
"""
