"""Manifests, sources, splits, simulated attacks, and the audit for leaks and shortcuts."""
