"""Mcp: serves the tools of a run to sessions outside this process, over HTTP and stdio."""
