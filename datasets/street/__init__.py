"""The embedded street: a generated drive with ground truth at any pose."""
