"""`lab watch SWEEP`: a sweep as it goes on, in a terminal and as its report's page, read from its files alone."""
