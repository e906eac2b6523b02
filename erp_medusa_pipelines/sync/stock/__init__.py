"""Bins become inventory levels and in-stock flags."""
