"""What all buckets share, and those that have an interface of their own."""
