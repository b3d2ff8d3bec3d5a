"""Where a model looks: the attention of every head, its rollout, and how much of it lies on contours."""
