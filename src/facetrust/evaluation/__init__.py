"""A model and a manifest become scores, and scores a report."""
