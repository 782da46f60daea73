"""What a frame means: tests of the market room."""
