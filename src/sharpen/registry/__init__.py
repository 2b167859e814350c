"""Models that are kept: what a version records, its files, and taking it elsewhere.

``record`` says of a run's model where it is from and how it decides, ``files`` lets only safe formats pass
and checks digests, ``names`` finds the version that a word means, ``export`` writes a folder. The tables are
in the store, and what changes them is asked of the coordinator.
"""
