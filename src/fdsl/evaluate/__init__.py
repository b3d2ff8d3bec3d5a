"""From finished runs to numbers and pictures: contact sheets, paired comparisons, the HTML report.

Nothing is imported here, so that drawing a contact sheet needs neither jinja2 nor matplotlib.
"""
