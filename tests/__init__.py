"""The test suites, room by room."""
