"""F1 by number of labels, for every recipe that is asked for, with seeds."""
