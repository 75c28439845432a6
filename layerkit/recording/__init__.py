"""Recording: what a layer's equations compute, as a graph of operations for any number of rows."""
