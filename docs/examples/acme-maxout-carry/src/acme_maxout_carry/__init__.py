"""The layer acme.maxout_carry for layerkit, which finds it by its entry point."""
