"""Folders of data files as destinations."""
