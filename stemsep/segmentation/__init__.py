"""Picture -> mask: the image twin of `stemsep.separation`.

Takes: pictures of any size and a network. Gives: masks, and scores of masks.
Next stage: a file, or `stemsep.evaluation`.
"""
