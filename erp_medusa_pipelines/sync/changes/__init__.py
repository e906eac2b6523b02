"""What changed in ERPNext since the last question, and which Website Items that concerns."""
