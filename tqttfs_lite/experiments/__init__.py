"""Running experiments: data sets, configurations, training, evaluation and result files."""
