"""Datasets as files: rendered by one machine or many, stopped and gone on with, checked, and mended.

plan ──> layouts ──> stores       which image is where; how files lie; where they go
         work ──> processes | cluster
exporting: what `fdsl render` does; checking: `fdsl verify` and `fdsl repair`
"""
