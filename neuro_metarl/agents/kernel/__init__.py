"""The LSTM as compiled vector code: see docs/kernel.md. Import nothing of this before it is needed.

``vectors`` writes LLVM for 16 numbers at once, ``activations`` exp, sigmoid and tanh, ``blocks``
the pieces that loops are made of; ``lanes`` (16 episodes side by side) and ``single`` (one episode,
units side by side) are the loops over steps. numba compiles them, when they are first called.
"""
