"""The sample shop that fills both servers."""
