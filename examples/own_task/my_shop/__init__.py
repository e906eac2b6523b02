"""Scheduled tasks of one shop."""
