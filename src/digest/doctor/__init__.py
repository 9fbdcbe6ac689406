"""Whether all is well, asked of the machine, the store, the network and those who take our mail. It mends nothing."""
