"""Where files come from: which ones a stream wants, and how those of one root are listed and opened."""
