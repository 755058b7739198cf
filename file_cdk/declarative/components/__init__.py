"""What a manifest is made of, as typed values: one module for each part of the language. They hold texts as they are written."""
