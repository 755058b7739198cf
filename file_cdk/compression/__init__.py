"""Codecs, and compressed streams read as plain ones, with bounds on memory and on what they may unpack to."""
