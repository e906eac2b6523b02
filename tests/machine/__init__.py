"""A shop's year in random steps: both stores, what people do to them, and what Medusa must show in the end."""
