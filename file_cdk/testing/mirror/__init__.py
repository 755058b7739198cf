"""The other side of a manifest: a server that answers as the API would that the manifest describes."""
