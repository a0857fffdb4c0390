"""The embedded indoor world: a furnished room of any seed, with ground truth at every pose."""
