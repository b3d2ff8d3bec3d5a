"""From parameter tables to pixels. Kernels know geometry kinds, never family names."""

from fdsl.render.renderer import Renderer

__all__ = ["Renderer"]
