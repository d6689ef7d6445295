"""Shipped conformance suites: any graph store, any backend, any template pack."""
