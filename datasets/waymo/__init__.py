"""The Waymo Open Dataset in the four forms that people keep it in.

`v1` reads the tfrecord files, `v2` the parquet tables, `drivestudio` and `street_gaussians` the folders that
view-synthesis code preprocesses them to. All four deliver a `segment.Segment`; `capture` makes a scene of it.
Nothing here needs TensorFlow or Waymo's own package.
"""
