"""The three sensors: retries of failed batches, changes in ERPNext between the nights, and alerts.

Each module or package has one `build_...` function that `definitions.py` calls.
"""
