"""The loop that fits networks, its tasks, losses and recipes.

Takes: tracks and a network's configuration. Gives: checkpoints.
Next stage: stemsep.weights.
"""
