"""Alpaca's paper account: orders and bars through ``alpaca-py``.

``connection`` decides which addresses and keys may be used at all, and turns what alpaca-py raises into the
errors of :mod:`sharpen.paper.ports`. ``broker`` sends orders and asks what became of them; ``feed`` has the
bars; ``stream`` listens for trade updates, which only wake the trader: what counts is what it asks for.
"""
