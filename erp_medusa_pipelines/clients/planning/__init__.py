"""Clients that read both servers and record writes instead of sending them."""
