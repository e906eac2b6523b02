"""What the shop promotes: best sellers and clearance items."""
