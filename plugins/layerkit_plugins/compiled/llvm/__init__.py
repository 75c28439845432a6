"""Compiled forms of recorded layers: LLVM IR text from a graph, machine code by llvmlite.

``schedule`` groups the nodes of a graph into kernels, ``places`` says where values lie,
``lowering``, ``elements``, ``copies`` and ``windows`` write kernels as IR with ``emit``,
``scalars`` and ``products``, ``machine`` compiles the text and keeps the object code on disk.
``forms`` does all of this for a recording, ``engine`` runs whole networks with it, by the loops of
``driver``.
"""
