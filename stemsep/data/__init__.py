"""Songs with their stems, and training batches drawn from them.

Takes: folders of stems. Gives: tracks and batches.
Next stage: stemsep.training.
"""
