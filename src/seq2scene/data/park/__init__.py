"""The park: a small procedural world, sentences about it in three languages, and its files."""
