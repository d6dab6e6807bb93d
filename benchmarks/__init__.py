"""Benchmarks of jaxscale against SciPy on the published Chinchilla problem; see README.md.

Importing this package before NumPy keeps the linear algebra of NumPy and SciPy on one thread:
on vectors of five numbers a second thread only spins, and would be charged to SciPy as CPU time.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
