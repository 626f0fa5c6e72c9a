"""Where networks come from.

Takes: names and files. Gives: networks ready to run.
Next stage: stemsep.separation.
"""
