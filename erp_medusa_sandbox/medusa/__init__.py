"""The embedded Medusa: the Admin and Store API on a small SQLite store."""
