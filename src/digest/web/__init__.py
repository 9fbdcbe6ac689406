"""What is served over HTTP: the readers' site and the programs' API."""
