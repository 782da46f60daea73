"""The nouns: tests of the schemas room."""
