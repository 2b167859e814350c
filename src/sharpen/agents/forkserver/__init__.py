"""A fork server: one process that has done a program's imports, and forks off a process for each run.

``client`` is the agent's side. The server's side imports nothing but the standard library: ``server`` is its
loop, ``imports`` finds what may be imported before any run is known, ``sibling`` forks, ``child`` becomes the
run's program. Where all runs are started by the same words, ``ahead`` lets the program itself go as far as
they have in common.
"""
