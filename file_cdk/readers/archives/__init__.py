"""Archives as folders of files: a reader around another reader, that lists their members and opens them."""
