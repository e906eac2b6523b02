"""Website Items, Item Groups and images become Medusa products, collections and pictures."""
