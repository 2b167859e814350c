"""The Hydra sweeper: ``python app.py -m`` runs a sweep in the store, as ``sharpen run`` does.

Hydra imports every module of this package whenever any Hydra program starts, but for those whose names begin
with an underscore: so all that takes time stands in those.
"""
