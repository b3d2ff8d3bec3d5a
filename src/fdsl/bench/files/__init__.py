"""`fdsl bench files`: what encoders cost beside those of others, and how much of an export is the encoder."""
