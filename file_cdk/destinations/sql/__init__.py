"""What destinations in SQL databases share: the ledger, the questions to it, and how files share transactions."""
