"""What is printed: lines and progress on a terminal or in a log, tables, numbers in words, and the standard descriptors."""
