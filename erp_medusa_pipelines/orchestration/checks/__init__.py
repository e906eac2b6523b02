"""Asset checks that are not about one document: failed batches, freshness, the installation, both servers."""
