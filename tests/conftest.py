"""What holds in every test."""

import os

# A sync of a local folder waits until its youngest file is a second old: tests write and sync at once. See test_settle.
os.environ.setdefault("FILE_CDK_SETTLE", "0")
