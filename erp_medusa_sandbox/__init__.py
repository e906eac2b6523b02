"""The embedded ERPNext and Medusa: real HTTP servers on small stores, for the demo and the tests.

It imports nothing from the rest of the project: sharing code with the clients would share their mistakes.
"""
