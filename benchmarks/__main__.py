"""`make bench`: run every benchmark and print figures and ratios. None is a test."""

from benchmarks import fit, latency, missed, pace, publish, weekend

pace.main()
weekend.main()
fit.main()
latency.main()
missed.main()
publish.main()
