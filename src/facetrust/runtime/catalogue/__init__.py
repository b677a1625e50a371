"""Models beyond the bundled ones: named in a catalogue, pulled or imported, verified, kept."""
