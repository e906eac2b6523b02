"""Mails that the shop sends: what they look like, and the two ways in which they go out.

Belongs here: templates, links, and senders. Who gets a mail, and when, belongs to sync/. Add a template here when a
task needs another mail; add a sender when mails go out in a third way.
"""
