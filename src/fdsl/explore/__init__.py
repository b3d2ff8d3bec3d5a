"""A local web page on which a family redraws as its parameters move."""
