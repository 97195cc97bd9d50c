"""What there is: algorithms, environments, search spaces and hyperparameter blocks."""
