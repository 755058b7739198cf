"""Where rows land: each file version committed whole or not at all, beside a ledger of the versions loaded."""
