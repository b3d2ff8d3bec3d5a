"""Real labelled images to fine-tune on, from folders, archives and named data sets; and few labels of them."""

from fdsl.data.real.choose import at_most, few_labels, shots_of
from fdsl.data.real.images import RealImages
from fdsl.data.real.opening import open_both, open_images
from fdsl.data.real.splits import Split

__all__ = ["RealImages", "Split", "at_most", "few_labels", "open_both", "open_images", "shots_of"]
