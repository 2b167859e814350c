"""From evidence to an alias: what is known of a version now, and asking for it to be moved.

``search_evidence``, ``capacity`` and ``paper_evidence`` gather; ``version_evidence`` puts them together;
``promote`` asks the coordinator, which decides. The command line and Discord share all of it.
"""
