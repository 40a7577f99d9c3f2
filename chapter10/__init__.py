"""Models, training loops, exact answers and measurements for "Generative models (1): VAE and GAN".

The notebooks import from here; `setup()` is their first line. Importing starts nothing.
"""

from chapter10.environment import Environment, setup

__version__ = "0.1.0"
__all__ = ["Environment", "setup"]
