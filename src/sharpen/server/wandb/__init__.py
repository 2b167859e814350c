"""What the stock ``wandb`` client asks of a server: GraphQL, file streams, uploads and downloads.

``schema.graphql`` is the schema, of our own writing; ``execution`` answers a request, ``resolvers`` has its
roots, and a module a noun the rest: ``viewer``, ``runs``, ``sweeps``, ``files``. Nothing of the client's
shape is known outside of this folder.
"""
