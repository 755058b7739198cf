"""The messages of a source, as a destination receives them: lines of a pipe in, records in columnar order and events out.

`receive` reads them (module `receive`); what it answers is in module `events`.
"""
