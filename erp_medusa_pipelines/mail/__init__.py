"""Mails that the shop sends: what they look like, and the two ways in which they go out.

Templates, links, and senders; who gets a mail, and when, is decided in sync/. Add a template here when a
task needs another mail; add a sender when mails go out in a third way.
"""
