"""The quality of a dataset before any training: how separable and how varied its images are, and which are blank.

Nothing is imported here: only the picture needs matplotlib, and nothing needs torch.
"""
