"""What Dagster shows: thin assets that call one function of sync/ and report its result."""
