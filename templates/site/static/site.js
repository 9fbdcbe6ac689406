/* What JavaScript adds to the readers' pages; all of them work without it. */
