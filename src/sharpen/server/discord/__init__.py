"""Discord's commands over HTTP: ``/model promote``, ``status`` and ``rollback``.

``verification`` lets only what Discord signed pass, once and while it is fresh. ``interactions`` is pure:
what was asked, whether this person may, and what to answer at once. ``jobs`` does what takes longer and
reports it afterwards, also when the server died in between. ``commands`` tells Discord which commands there
are.
"""
