"""Configurations that are written for a person: from the files of a bucket or folder, or from an Airbyte connector's."""
