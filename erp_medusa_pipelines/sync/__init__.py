"""The work itself: plain Python and pandas on the clients. Imports no Dagster."""
