"""The test kit: real servers to test against, a proxy that injects faults between them and a client, and the pytest
plugin that hands both to tests. Importing any module here loads no vendor SDK; a server loads its own when it starts.
"""
