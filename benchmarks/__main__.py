"""`make bench`: run every benchmark and print figures and ratios. None is a test."""

from benchmarks import erase, fit, latency, missed, pace, publish, starts, weekend

pace.main()
weekend.main()
fit.main()
latency.main()
erase.main()
missed.main()
publish.main()
starts.main()
