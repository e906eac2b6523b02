"""How we talk to ERPNext and Medusa. Knows no task."""
