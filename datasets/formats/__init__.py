"""Readers for the file formats that captures come in; data sets share them by calling, not by inheriting.

`colmap`, `transforms_json` and `poses_bounds` read a model file into frozen dataclasses, `image_folders`
finds the pictures, `views` joins both into `View`s that decode, undistort and shrink when they are read.
"""
