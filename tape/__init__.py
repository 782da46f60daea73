"""Floor 2: a recording at rest. Journal, segments, manifest, reader, verify."""
