"""Runs: what a run works on, its time limit and heartbeat, why it failed, runs outside the schedules, retention.

The coordinator and the launchers are one level up, because the dagster.yaml of every installation names their modules.
"""
