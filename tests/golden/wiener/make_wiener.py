"""Write wiener.npz: random estimates and what norbert 0.2.1 makes of them.

    pip install norbert==0.2.1 "numpy<2" scipy
    python make_wiener.py

Spectra have norbert's order of axes, (frames, bins, channels, stems).
"""

import norbert
import numpy as np

ITERATIONS = 2

generator = np.random.default_rng(0)


def random_complex(*shape):
    return 30 * (generator.standard_normal(shape) + 1j * generator.standard_normal(shape))


y = random_complex(7, 6, 2, 4)
x = y.sum(-1) + random_complex(7, 6, 2) / 10
scale = max(1, np.abs(x).max() / 10)  # as in norbert.wiener
result = norbert.expectation_maximization(y / scale, x / scale, ITERATIONS)[0] * scale
np.savez("wiener.npz", x=x, y=y, result=result, iterations=ITERATIONS)
