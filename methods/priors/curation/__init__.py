"""Pairs of broken and true frames to train restorers on, made from captures and from generated worlds."""
