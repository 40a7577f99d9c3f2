"""Figures that answer to the hand: sliders in plain HTML and JavaScript that run in the page, without a kernel.

Where the computation is too large for the page, the same sliders ask the kernel: see `kernel_figure`, and `runs="kernel"`.
Each function returns a `LiveFigure`; as the last value of a cell it shows itself. What it holds is a still picture
with alt text, which is all that a viewer without scripts shows, and a script (`assets/live.js`) that puts a canvas of
the same size and the controls in its place. Decoders run in the page with int8 weights. Nothing comes from outside.
"""

from chapter10.int8 import layers_of, quantise
from chapter10.int8_maps import MapLayer, map_layers_of
from chapter10.live.beta import BetaModel, beta_figure
from chapter10.live.codes import code_figure
from chapter10.live.critic import critic_figure
from chapter10.live.decoders import decoder_figure, walk_figure
from chapter10.live.densities import elbo_figure, reparameterization_figure
from chapter10.live.frames import Chart, frames_figure
from chapter10.live.game import game_figure
from chapter10.live.kernel import KernelFigure, Menu, Slider, Stops, kernel_figure
from chapter10.live.lab import gan_lab
from chapter10.live.page import LiveFigure
from chapter10.live.planes import plane_of
from chapter10.live.translation import translation_figure

__all__ = [
    "BetaModel",
    "Chart",
    "KernelFigure",
    "LiveFigure",
    "MapLayer",
    "Menu",
    "Slider",
    "Stops",
    "beta_figure",
    "code_figure",
    "critic_figure",
    "decoder_figure",
    "elbo_figure",
    "frames_figure",
    "game_figure",
    "gan_lab",
    "kernel_figure",
    "layers_of",
    "map_layers_of",
    "plane_of",
    "quantise",
    "reparameterization_figure",
    "translation_figure",
    "walk_figure",
]
