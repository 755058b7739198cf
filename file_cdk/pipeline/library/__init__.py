"""What a program calls in place of a command: sync, read and files, and what a notebook shows of them."""
