"""The park: a small procedural world, its sentences in three languages, and their files."""
