"""A gallery of faces: people are enrolled, found again and forgotten. Templates are kept, pictures never."""
