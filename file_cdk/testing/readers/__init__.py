"""What the conformance suite for readers consists of; see file_cdk.testing.reader_conformance."""
