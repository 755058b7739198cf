"""What the operating system limits, and files and folders that leave nothing half-written or behind."""
