"""The Airbyte wire format and nothing else: messages, record encoding, spec, catalog, state, receiving."""
