"""Masks -> stems, chunk by chunk.

Takes: sound files or waveforms. Gives: stems, as waveforms or files.
Next stage: stemsep.audio.
"""
