"""Everything that can go wrong between a venue and a recording, tried over real sockets."""
