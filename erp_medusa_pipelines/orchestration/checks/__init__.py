"""Asset checks that are not about one document: failed batches, freshness, the installation, both servers.

Does not belong here: checks on what a run did to documents (assets/).
"""
