"""One small class per AWS resource. Each takes its client, and turns AWS's errors into the domain's."""
