"""Manifests of HTTP APIs: from YAML to a frozen plan, and what the plan does. Pure but for `http`, which talks to the network."""
