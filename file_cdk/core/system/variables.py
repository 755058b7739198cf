"""Names of environment variables that are asked for before anything else is imported."""

MEMORY_VARIABLE = "FILE_CDK_MEMORY"
