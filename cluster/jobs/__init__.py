"""Runs as jobs of a cluster that somebody else runs: sent, followed, listed, stopped."""
