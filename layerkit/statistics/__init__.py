"""Statistics of comparisons: intervals, bootstrap, variance over runs and rows, many tests."""
