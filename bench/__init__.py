"""What ``make bench`` runs: figures as ratios against a named peer, in the same run."""
