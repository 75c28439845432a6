"""The parts that come with layerkit: one idea a file, entered through entry points only."""
