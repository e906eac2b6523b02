"""The storefront's own jobs: mails about carts that were left, carts that nobody wants any more.

Add a job here when it is about what customers did in the store. Products, prices and stock have rooms of their own.
"""
