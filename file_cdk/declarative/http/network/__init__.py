"""What carries requests: connections, the bytes that go over them, bodies, redirects. Its tunnels alone need urllib3."""
