"""Detectors of vehicles behind one interface."""
