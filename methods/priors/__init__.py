"""Generative priors: network families, the official weights they load, and small ones trained here."""
