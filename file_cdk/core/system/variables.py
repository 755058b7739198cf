"""Names of environment variables that are asked for or told of before anything else is imported."""

MEMORY_VARIABLE = "FILE_CDK_MEMORY"

SALT_VARIABLE = "FILE_CDK_SALT"
"""Has the salt of hashes, where no other is named."""
