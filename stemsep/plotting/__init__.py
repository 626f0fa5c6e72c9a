"""Pictures for people who would rather look than read.

Takes: arrays and tables of numbers. Gives: PNG files; needs matplotlib, but no screen.
Called by: the stages above, and the command line.
"""
