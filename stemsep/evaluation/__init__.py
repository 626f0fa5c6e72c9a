"""Estimated and true stems -> scores.

Takes: waveforms. Gives: scores in dB.
Next stage: reports.
"""
