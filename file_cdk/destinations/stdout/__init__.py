"""Standard output, for pipes: rows as JSON lines or as one Arrow IPC stream. It keeps no ledger, so every run gives all files."""

from file_cdk.destinations.stdout.destination import StdoutDestination as StdoutDestination
