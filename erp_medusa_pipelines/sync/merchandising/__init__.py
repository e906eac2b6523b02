"""What the shop puts forward: best sellers and items to clear."""
