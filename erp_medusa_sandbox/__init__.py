"""The embedded ERPNext and Medusa: real HTTP servers on small stores, the default target and the one of the tests.

Imports nothing of the project's other floors: a sandbox that shared code with the clients would share their mistakes.
"""
