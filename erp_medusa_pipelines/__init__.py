"""The scheduled work of a shop on ERPNext and Medusa, as a Dagster project."""
