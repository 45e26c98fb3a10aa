"""The rows of the table, one a file: ``run(scale, repeats, full)`` yields its lines."""

ROWS = ("encoder", "approximator", "select", "imagenet", "zoo", "selectors", "start")
