"""The evidence report: what a check found, as one HTML file for people."""
