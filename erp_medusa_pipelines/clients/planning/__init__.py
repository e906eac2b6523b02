"""Clients that read both servers and write to neither: what a run would do is noted down instead."""
