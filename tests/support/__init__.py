"""What the end-to-end tests and the demo share: real Envoy, the real decision point, real MCP servers and clients.

Everything binds 127.0.0.1 on a port the kernel chose, writes below one temporary directory, and ends with its owner.
"""
