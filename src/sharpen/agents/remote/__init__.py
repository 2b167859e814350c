"""Agents on other machines: a cluster's own program starts them, and they find the store over HTTP.

``request`` says which agents are wanted; ``supervisor`` starts them through a placement, and another where
one has died; ``ray`` is such a placement. Nobody here is asked how a sweep stands: that is the coordinator's
affair. A placement runs in a process of its own (``python -m sharpen.agents.remote``), which may die at
any moment; ``watchdog`` then starts another.
"""
