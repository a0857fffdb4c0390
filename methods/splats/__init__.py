"""Gaussians: parameters, rasterisation, information, losses, training."""
