"""What the domains of the sync share about the shop: which Website Items ERPNext would sell.

Add a module here when two domains must give the same answer. How a run is carried out belongs to `engine`, what one
domain alone needs belongs to that domain.
"""
