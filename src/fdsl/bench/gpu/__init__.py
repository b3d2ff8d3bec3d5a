"""`fdsl bench gpu`: how fast images are drawn on a GPU, whether they are the CPU's, and what they cost a training."""
