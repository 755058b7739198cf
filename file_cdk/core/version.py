"""The version of file_cdk, which its packaging takes from here: asking for that of the installed distribution takes 0.03 s."""

VERSION = "0.1.0"
