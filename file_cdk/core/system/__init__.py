"""What the operating system limits; messages between processes; files and folders that leave nothing half-written behind."""
