"""The server: the host of a store that also answers over HTTP.

``app`` puts the routes together, ``auth`` has the keys and the signed addresses, ``store_access`` is how
routes ask the coordinator and read the store. ``wandb`` answers the stock ``wandb`` client, ``agents_api``
our own agents and command lines on other machines.
"""
