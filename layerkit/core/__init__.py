"""The contracts of layers and other parts, and the network that runs them."""
