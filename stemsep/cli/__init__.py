"""The command line.

Takes: arguments. Gives: calls of the library, one per command.
Next stage: the user.
"""
