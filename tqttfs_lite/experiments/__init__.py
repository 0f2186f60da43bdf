"""Running experiments: data sets, configurations, training, evaluation, result files."""
