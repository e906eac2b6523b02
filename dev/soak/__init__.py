"""`make soak`: an installation under every kind of trouble for half an hour, and whether it gets over it by itself.

plan.py     what goes wrong and when, from a seed (pure)
shop.py     new work for the tasks while it goes wrong, and what both servers hold in the end
trouble.py  carries the plan out on a running installation
verdict.py  what must hold at the end (pure)
"""
