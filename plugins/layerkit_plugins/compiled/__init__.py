"""Machine code of recorded layers through LLVM, where the ``fast`` extra is installed."""
