"""Sound files <-> waveforms.

Takes: files in any format. Gives: waveforms ``(channels, samples)``, and files again.
Next stage: `stemsep.dsp` (waveform -> spectrum).
"""
