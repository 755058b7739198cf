"""What carries requests: connections, the bytes that go over them, bodies, redirects. The only part that needs urllib3."""
