"""The ledger and the engine: from an approved issue to a settled one."""
