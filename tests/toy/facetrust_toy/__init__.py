"""Three toy questions, added to facetrust from outside as any package may."""
