"""A recipe becomes a trained network in a run folder."""
